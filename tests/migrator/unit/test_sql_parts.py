"""Reading a migration in parts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.migrator.conftest import Write
from tests.migrator.unit.test_plan import file
from tests.migrator.unit.test_sql import WHOLE
from trellis.migrator import MigrationError, discover
from trellis.migrator.sql.files import MigrationFile
from trellis.migrator.sql.part import parts
from trellis.migrator.sql.script import prepare, survey
from trellis.migrator.sql.splitter import SqlError, split

VALUES = {"semicolons": "1; SELECT 2; SELECT 3", "quote": "it''s", "empty": ""}
PIECES = [
    *WHOLE,
    "SELECT ${semicolons};",
    "SELECT '${quote};';",
    "-- ${empty};\n",
    "\r\n",
    "/* ; */",
    "SELECT 1 ${empty};",
]


def large(write: Write, text: str) -> MigrationFile:
    return discover(write({"V1__large.sql": text}))[0]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.integers(1, 200))
def test_parts_are_the_whole_cut_between_statements(texts: list[str], size: int) -> None:
    source = "\n".join(texts)
    found = list(parts(file("V1__x", source), VALUES, size=size))
    assert "".join(part.source for part in found) == source
    (whole,) = parts(file("V1__x", source), VALUES)
    assert "".join(part.rendered.text for part in found) == whole.rendered.text
    assert [part.sql(one) for part in found for one in part.statements()] == [
        whole.rendered.text[one.start : one.end] for one in split(whole.rendered.text)
    ]
    places = [part.place(one.start) for part in found for one in part.statements()]
    assert places == [whole.place(one.start) for one in whole.statements()]


@given(st.text(alphabet=st.sampled_from("a1 ;'\"$-/*()\\\nEe.{}\r"), max_size=60), st.integers(1, 30))
def test_what_is_accepted_does_not_depend_on_the_parts(text: str, size: int) -> None:
    def accepted(size: int) -> list[str] | None:
        try:
            found = list(parts(file("V1__x", text), {}, size=size))
            return [part.sql(one) for part in found for one in part.statements()]
        except (MigrationError, SqlError):
            return None

    assert accepted(size) == accepted(1 << 20)


def test_a_large_file_is_read_in_parts(write: Write) -> None:
    line = "INSERT INTO t VALUES ('some text; with a semicolon');\n"
    found = list(parts(large(write, line * 40_000), {}))
    assert len(found) > 2
    assert max(len(part.source) for part in found) < 2 << 20
    assert [part.origin[1] for part in found[1:]] == [len(line)] * (len(found) - 1)
    assert survey(large(write, line * 40_000), {}).statements == 40_000
    assert prepare(large(write, line * 40_000), {}).source == line * 40_000


def test_an_error_in_a_late_part_names_its_line(write: Write) -> None:
    line = "INSERT INTO t VALUES ('é');\r\n"
    for last, says in (("\\d", "is a command of psql"), ("COMMIT;", "COMMIT is not allowed"), ("${nope}", "no value")):
        with pytest.raises(MigrationError, match=says) as raised:
            survey(large(write, line * 40_000 + "  " + last), {})
        assert (raised.value.line, raised.value.column) == (40_001, 3)


def test_one_statement_of_many_megabytes(write: Write) -> None:
    statement = "INSERT INTO t VALUES " + "('a;b')," * 250_000 + "('');"
    first, *others = parts(large(write, statement + "SELECT 1;" * 500_000), {})
    assert first.source.startswith(statement)
    assert others[-1].source.endswith("SELECT 1;")


def test_a_file_that_changes_is_not_taken_for_the_one_that_was_planned(write: Write) -> None:
    found = large(write, "SELECT 1;")
    for change in (lambda path: path.write_text("SELECT 2;"), Path.unlink):
        change(found.path)
        with pytest.raises(MigrationError, match="changed or removed while the migrator was at work"):
            list(parts(found, {}))
