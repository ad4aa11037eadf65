"""Version numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trellis.migrator.versions import is_version, version_key, version_text

parts = st.lists(st.integers(0, 10**30), min_size=1, max_size=6)


@given(parts, parts)
def test_order_is_that_of_the_numbers(left: list[int], right: list[int]) -> None:
    longest = max(len(left), len(right))
    padded = [numbers + [0] * (longest - len(numbers)) for numbers in (left, right)]
    keys = [version_key(".".join(map(str, numbers))) for numbers in (left, right)]
    assert (keys[0] < keys[1], keys[0] == keys[1]) == (padded[0] < padded[1], padded[0] == padded[1])


@pytest.mark.parametrize("same", ["1.0", "1.0.0", "1_0", "01", "001.000"])
def test_trailing_and_leading_zeros_do_not_count(same: str) -> None:
    assert version_key(same) == version_key("1")


def test_the_stored_text_keeps_its_zeros() -> None:
    assert version_text("01_0.0") == "01.0.0"


@pytest.mark.parametrize("text", ["", ".", "1.", ".1", "1..2", "a", "1a", "+1", "1 ", "\u00b2", "\u0661"])
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="is not a version"):
        version_key(text)
