"""Regular expressions matched step by step, to count what a match costs: `re` says nothing of its backtracking."""

import re
from collections.abc import Callable, Iterator
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

_NEVER = -1


class _Step(NamedTuple):
    """One instruction. test: what the next character, or what stands around it, has to be; None for a choice.

    takes: how many characters it passes over. ways: where to go on, the first that leads to a match.
    """

    test: Callable[[str, int], bool] | None
    takes: int
    ways: tuple[int, ...]


class Counted:
    """Matches as `re` does, and counts the steps of a backtracking matcher in `steps`, up to a `limit`.

    Every match is compared with that of `re` itself. It knows what the splitter's patterns are made of and raises
    KeyError for anything else.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.steps = 0
        self.limit = 1_000_000
        self._pattern = pattern
        self._program = self._compile(parser.parse(pattern.pattern, pattern.flags), pattern.flags)

    def match(self, text: str, position: int = 0) -> re.Match[str] | None:
        """As `re.Pattern.match`."""
        end = self._end(self._program, text, position)
        found = self._pattern.match(text, position)
        assert end == (_NEVER if found is None else found.end())
        return found

    def search(self, text: str, position: int = 0) -> re.Match[str] | None:
        """As `re.Pattern.search`. A step for each character: it is only for patterns that fail at their first."""
        found = self._pattern.search(text, position)
        self.steps += (len(text) if found is None else found.end()) - position
        return found

    def finditer(self, text: str, position: int = 0) -> Iterator[re.Match[str]]:
        """As `re.Pattern.finditer`, as `search` does it."""
        while (found := self.search(text, position)) is not None:
            yield found
            position = found.end()

    def _end(self, program: list[_Step], text: str, start: int) -> int:
        """Where a match ends; _NEVER when there is none."""
        choices = [(0, start)]
        while choices:
            index, position = choices.pop()
            while index < len(program):
                self.steps += 1
                assert self.steps <= self.limit, f"{self._pattern.pattern} takes more than {self.limit} steps"
                test, takes, ways = program[index]
                if test is not None and not test(text, position):
                    break
                position += takes
                index, *others = ways
                choices.extend((other, position) for other in reversed(others))
            else:
                return position
        return _NEVER

    def _compile(self, parsed: Any, flags: int) -> list[_Step]:
        """The instructions of a parsed pattern; each way out of them leads past the last one."""
        program: list[_Step] = []
        for operation, argument in parsed:
            self._append(program, operation, argument, flags)
        return program

    def _append(self, program: list[_Step], operation: Any, argument: Any, flags: int) -> None:
        if operation is constants.SUBPATTERN:
            _extend(program, self._compile(argument[-1], flags))
        elif operation is constants.BRANCH:
            self._append_choice(program, [self._compile(branch, flags) for branch in argument[1]])
        elif operation is constants.MAX_REPEAT:
            least, most, repeated = argument
            body = self._compile(repeated, flags)
            for _ in range(least):
                _extend(program, body)
            start = len(program)
            if most is constants.MAXREPEAT:
                program.append(_Step(None, 0, (start + 1, start + 2 + len(body))))
                _extend(program, body)
                program.append(_Step(None, 0, (start,)))
                return
            end = start + (most - least) * (1 + len(body))
            while len(program) < end:
                program.append(_Step(None, 0, (len(program) + 1, end)))
                _extend(program, body)
        elif operation in (constants.ASSERT, constants.ASSERT_NOT):
            direction, inner = argument
            back = inner.getwidth()[0] if direction < 0 else 0
            looked_for, wanted = self._compile(inner, flags), operation is constants.ASSERT
            program.append(
                _Step(
                    lambda text, position: (
                        wanted is (position >= back and self._end(looked_for, text, position - back) != _NEVER)
                    ),
                    0,
                    (len(program) + 1,),
                )
            )
        else:
            fits = _CHARACTERS[operation](argument)
            program.append(
                _Step(lambda text, position: position < len(text) and fits(ord(text[position])), 1, (len(program) + 1,))
            )

    @staticmethod
    def _append_choice(program: list[_Step], branches: list[list[_Step]]) -> None:
        starts = [len(program) + 1]
        for branch in branches:
            starts.append(starts[-1] + len(branch) + 1)
        program.append(_Step(None, 0, tuple(starts[:-1])))
        for branch in branches:
            _extend(program, branch)
            program.append(_Step(None, 0, (starts[-1],)))


def _extend(program: list[_Step], steps: list[_Step]) -> None:
    offset = len(program)
    program.extend(step._replace(ways=tuple(way + offset for way in step.ways)) for step in steps)


def _one_of(members: list[tuple[Any, Any]]) -> Callable[[int], bool]:
    negated = members[0][0] is constants.NEGATE
    ranges = [(value, value) if kind is constants.LITERAL else value for kind, value in members[negated:]]
    return lambda character: negated is not any(low <= character <= high for low, high in ranges)


_CHARACTERS: dict[Any, Callable[[Any], Callable[[int], bool]]] = {
    constants.LITERAL: lambda wanted: lambda character: character == wanted,
    constants.NOT_LITERAL: lambda refused: lambda character: character != refused,
    constants.ANY: lambda _: lambda _character: True,
    constants.IN: _one_of,
}
