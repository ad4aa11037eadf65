"""Statements of a migration as the rules see them."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from trellis.migrator import MigrationFile
from trellis.migrator.sql import NonTransactional, Script, Statement, non_transactional_kind, prepare, quiet

# A relation's name, with its schema or without.
_NAME = r'(?:"[^"]+"|[\w$]+)(?:\s*\.\s*(?:"[^"]+"|[\w$]+))?'
NAME = f"(?P<table>{_NAME})"
_QUOTED_OR_BRACKET = re.compile(r'"[^"]*"|[(),]')
_INNERMOST = re.compile(r"\([^()]*\)")
_IGNORE = re.compile(r"--[ \t]*trellis-ignore[ \t]+([\w, \t-]+)")
_NO_LINE_END = re.compile(r"[^\r\n]")
# What gets its name from a relation: an index on it, and it itself under another name.
_NAMED_AFTER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:CONCURRENTLY\s+)?(?P<made>{_NAME})\s+ON\s+(?:ONLY\s+)?{NAME}",
        rf"ALTER\s+(?:TABLE|INDEX|(?:MATERIALIZED\s+)?VIEW)\s+(?:ONLY\s+)?{NAME}\s+RENAME\s+TO\s+(?P<made>{_NAME})",
    )
)
_TABLE_KINDS = frozenset({"TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL"})


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A comment that takes a rule back for the statement below it. file, line: of the comment."""

    file: str
    line: int
    rule: str


@dataclass(frozen=True)
class Checked:
    """A migration that the migrator accepts, ready to be looked at."""

    script: Script

    @classmethod
    def of(cls, file: MigrationFile, placeholders: Mapping[str, str]) -> "Checked":
        """Raises MigrationError, with line and column, for a file that the migrator refuses."""
        return cls(prepare(file, placeholders))

    @property
    def path(self) -> str:
        """The file, as findings name it."""
        return str(self.script.file.path)

    @cached_property
    def text(self) -> str:
        """The SQL, placeholders replaced and the rows of a COPY blanked."""
        text = self.script.rendered.text
        for statement in self.statements:
            if statement.rows is not None:
                blank = _NO_LINE_END.sub(" ", text[statement.rows : statement.end])
                text = text[: statement.rows] + blank + text[statement.end :]
        return text

    @cached_property
    def statements(self) -> Sequence[Statement]:
        """All of its statements."""
        return tuple(self.script.statements())

    @cached_property
    def non_transactional(self) -> Sequence[tuple[Statement, NonTransactional]]:
        """Those that cannot run in a transaction."""
        found = ((statement, non_transactional_kind(statement.head)) for statement in self.statements)
        return tuple((statement, kind) for statement, kind in found if kind is not None)

    @cached_property
    def new_tables(self) -> frozenset[str]:
        """The tables it makes, as SQL writes their names; with IF NOT EXISTS one may be there already."""
        return self._made(("TABLE",))

    @cached_property
    def new_views(self) -> frozenset[str]:
        """The materialized views it makes, likewise."""
        return self._made(("MATERIALIZED", "VIEW"))

    def _made(self, kind: Sequence[str]) -> frozenset[str]:
        return frozenset(name for statement in self.statements for name in _made(statement.head, kind))

    def made(self, new: frozenset[str]) -> frozenset[str]:
        """What is new with it, besides what was before: its tables and materialized views, and what is named after one.

        new: as `new_tables` names them.
        """
        found = set(new | self.new_tables | self.new_views)
        for statement in self.statements:
            if statement.head[:1] in (("CREATE",), ("ALTER",)):
                bare = self.bare(statement)
                for match in filter(None, (pattern.match(bare) for pattern in _NAMED_AFTER)):
                    table, name = same_name(match["table"]), same_name(match["made"])
                    if table in found:
                        schema = table.rpartition(".")[0] or "public"
                        found |= {name, f"{schema}.{name}"}
        return frozenset(found)

    def source(self, statement: Statement) -> str:
        """A statement as it stands in the file, placeholders and all."""
        start, end = (self.script.rendered.source_offset(offset) for offset in (statement.start, statement.end - 1))
        return self.script.source[start : end + 1]

    def quiet(self, statement: Statement) -> str:
        """A statement with comments and strings blanked; every offset stays."""
        return quiet(self.text[statement.start : statement.end])

    def bare(self, statement: Statement) -> str:
        """The same with what parentheses hold blanked, too."""
        text = self.quiet(statement)
        while (shorter := _INNERMOST.sub(lambda match: " " * len(match[0]), text)) != text:
            text = shorter
        return text

    def at(self, offset: int) -> Statement | None:
        """The statement that an offset of the text lies in, or the next one; None behind the last."""
        index = bisect_right(self._ends, offset)
        return self.statements[index] if index < len(self.statements) else None

    def ignored(self, statement: Statement) -> frozenset[str]:
        """The rules that `-- trellis-ignore` above a statement names."""
        return frozenset(rule for _, rule in self._ignoring(statement))

    @property
    def waivers(self) -> Iterator[Waiver]:
        """Every rule that a comment takes back, where the comment stands."""
        for statement in self.statements:
            for offset, rule in self._ignoring(statement):
                yield Waiver(file=self.path, line=self.script.place(offset)[0], rule=rule)

    def _ignoring(self, statement: Statement) -> Iterator[tuple[int, str]]:
        """The rules that comments above a statement name, and where."""
        index = bisect_right(self._ends, statement.start)
        for match in _IGNORE.finditer(self.text, self._ends[index - 1] if index else 0, statement.start):
            yield from ((match.start(), rule) for rule in re.split(r"[, \t]+", match[1]) if rule)

    @cached_property
    def _ends(self) -> Sequence[int]:
        return [statement.end for statement in self.statements]


def _made(head: Sequence[str], kind: Sequence[str]) -> Iterator[str]:
    words = [word for word in head[1:] if word not in _TABLE_KINDS]
    name = words[len(kind) : len(kind) + 3]
    if head[:1] != ("CREATE",) or words[: len(kind)] != list(kind) or name[:1] in ([], ["IF"]):
        return
    parts = [part if part.startswith('"') else part.lower() for part in name]
    if parts[1:2] == ["."]:
        yield "".join(parts)
        if parts[0] == "public":
            yield parts[2]
    else:
        yield parts[0]
        yield f"public.{parts[0]}"


def split_at_commas(text: str, quieted: str) -> Iterator[str]:
    """The parts of a list, such as the columns of a CREATE TABLE: commas in parentheses and quotes part nothing.

    quieted: the text with its comments and strings blanked.
    """
    start = depth = 0
    for match in _QUOTED_OR_BRACKET.finditer(quieted):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == "," and not depth:
            yield text[start : match.start()]
            start = match.end()
    yield text[start:]


def same_name(name: str) -> str:
    """A table's name as `new_tables` holds it."""
    parts = re.findall(r'"[^"]*"|[^\s."]+', name)
    return ".".join(part if part.startswith('"') else part.lower() for part in parts)
