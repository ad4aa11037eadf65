"""Replacing placeholders and finding the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trellis.migrator import MigrationError
from trellis.migrator.sql.placeholders import render


def test_names_match_in_any_case_and_values_are_not_searched() -> None:
    rendered = render(
        "a ${Role} b ${flyway:defaultSchema}${EMPTY}c",
        {"role": "${role}", "FLYWAY:DEFAULTSCHEMA": "s", "empty": ""},
        "f",
    )
    assert rendered.text == "a ${role} b sc"


def test_an_unknown_name_says_where_and_what_is_known() -> None:
    with pytest.raises(MigrationError) as raised:
        render("one\r\n  two ${nope}", {"role": "x", "other": "y"}, "V1__x.sql")
    error = raised.value
    assert (error.file, error.line, error.column) == ("V1__x.sql", 2, 7)
    assert "${nope}" in error.message
    assert "${other}, ${role}" in error.message


def test_one_that_is_never_closed() -> None:
    with pytest.raises(MigrationError, match="never closed"):
        render("select '${role'", {"role": "x"}, "V1__x.sql")


plain = st.text(alphabet=st.sampled_from("ab\n '$}"), max_size=8)
named = st.sampled_from(["one", "two", "none"])
VALUES = {"one": "1", "two": "a longer value", "none": ""}


@given(st.lists(st.one_of(plain.map(lambda text: (text, None)), named.map(lambda name: (None, name))), max_size=12))
def test_every_place_finds_its_way_back(pieces: list[tuple[str | None, str | None]]) -> None:
    source = ""
    expected: list[int] = []
    for text, name in pieces:
        if name is None:
            expected += range(len(source), len(source) + len(text or ""))
            source += text or ""
        else:
            expected += [len(source)] * len(VALUES[name])
            source += f"${{{name}}}"
    rendered = render(source, VALUES, "f")
    assert [rendered.source_offset(offset) for offset in range(len(rendered.text))] == expected
