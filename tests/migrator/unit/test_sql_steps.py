"""How many steps it takes to split a text: in proportion to its length, whatever it holds."""

import re
from contextlib import suppress
from typing import SupportsIndex

import pytest

from tests.migrator.unit.matching import Counted
from trellis.migrator.sql import splitter

# An ordinary INSERT takes about 5 steps a character. Backtracking over a long text takes as many as it has characters,
# or doubles them with each.
LIMIT = 40
LENGTHS = (500, 2000)

REPEATED = {
    "rows": ("INSERT INTO t VALUES ", "(1, 'some; text', now(), '{}'),", "(1);"),
    "rows of backslashes": ("INSERT INTO t VALUES ", "('a\\', E'\\'', 1),", "(1);"),
    "rows with an identifier": ("INSERT INTO t VALUES ", '(1, (2), "x", $1),', "(1);"),
    "words": ("SELECT ", "a, ", "a;"),
    "statements": ("", "INSERT INTO t VALUES (1, 'a');", ""),
    "functions": ("", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END;", ""),
    "dashes": ("SELECT 1", " - ", "2;"),
    "comments": ("SELECT 1", "--\n", "2;"),
    "nested comments": ("SELECT 1 ", "/*", ""),
    "comment edges": ("SELECT /*", "/ * ", "*/ 1;"),
    "parentheses": ("SELECT ", "(", ""),
    "parentheses that are not closed": ("SELECT ", "(1, (2), 'a', ", ""),
    "three of them": ("SELECT ", "((('a', (1)", ""),
    "closing parentheses": ("SELECT ", ")", ";"),
    "nested parentheses": ("SELECT ((((", "(1), 'a' - (2), ", '"x"));'),
    "a string": ("SELECT '", "a(", ""),
    "an escape string": ("SELECT E'", "\\'", ""),
    "quotes": ("SELECT '", "''", "';"),
    "quotes of an escape string": ("SELECT E'", "''", "';"),
    "continued strings": ("SELECT E'a'", "\n'b'", ";"),
    "a line after an escape string": ("SELECT E'a'\n", "-", "\n;"),
    "lines after an escape string": ("SELECT E'a'\n", "-- \n \t", ";"),
    "space after an escape string": ("SELECT E'a'\n", " ", ";"),
    "escape strings apart": ("SELECT ", "E'a'\n --", "\n;"),
    "dollars": ("SELECT ", "$", ";"),
    "dollars in words": ("SELECT ", "$a", ";"),
    "tags": ("SELECT ", "$a$ $b$ $a$ ", ";"),
    "backticks": ("SELECT ", "`é[", ";"),
}


class CountedText(str):
    """Counts the characters that `find` passes over."""

    steps = 0

    def find(self, sub: str, start: SupportsIndex | None = 0, end: SupportsIndex | None = None) -> int:
        """As `str.find`."""
        found = super().find(sub, start, end)
        self.steps += (found if found >= 0 else len(self)) - int(start or 0)
        return found


COUNTED = {name: Counted(value) for name, value in vars(splitter).items() if isinstance(value, re.Pattern)}


@pytest.mark.parametrize("case", REPEATED)
@pytest.mark.parametrize("conforming", [True, False])
def test_steps_grow_with_the_text(monkeypatch: pytest.MonkeyPatch, case: str, conforming: bool) -> None:
    for name, pattern in COUNTED.items():
        monkeypatch.setattr(splitter, name, pattern)
    before, repeated, after = REPEATED[case]
    for length in LENGTHS:
        text = CountedText(before + repeated * (length // len(repeated)) + after)
        for pattern in COUNTED.values():
            pattern.steps, pattern.limit = 0, LIMIT * len(text)
        _split(text, conforming)
        assert text.steps + sum(pattern.steps for pattern in COUNTED.values()) < LIMIT * len(text)


def test_a_pattern_that_backtracks_is_found_out() -> None:
    pattern = Counted(re.compile(r"(?:-|--[^\n]*)*'"))
    pattern.limit = 1000
    with pytest.raises(AssertionError, match="more than 1000 steps"):
        pattern.match("-" * 60)


def _split(text: str, conforming: bool) -> None:
    with suppress(splitter.SqlError):
        for _ in splitter.split(text, conforming):
            pass
