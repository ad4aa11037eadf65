"""squawk, the linter for PostgreSQL migrations, run on what the server would get."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trellis.migrator.sql import Statement
from trellis.operations.check.findings import Finding, Severity
from trellis.operations.check.locks import only_new
from trellis.operations.check.rules import ERRORS, MOOT, MOOT_ON_NEW, REWRITES
from trellis.operations.check.statements import Checked
from trellis.operations.errors import OperationError

VERSION = "2.70.0"


@dataclass(frozen=True)
class Input:
    """A migration.

    new: what nobody uses yet because these files make it, as `Checked.new_tables` names it. rewriting: line and column
    of the statements that write a table anew.
    """

    checked: Checked
    new: frozenset[str]
    rewriting: frozenset[tuple[int, int]]

    def moot(self, rule: str, statement: Statement) -> bool:
        """Whether a rule has nothing to say about a statement here."""
        if rule in REWRITES and self.checked.script.place(statement.start) not in self.rewriting:
            return True
        return rule in MOOT_ON_NEW and only_new(self.checked, statement, self.new)


def review(inputs: Sequence[Input], postgresql: str) -> Iterator[Finding]:
    """What squawk finds, less what the migrator makes moot.

    postgresql: major version. Raises OperationError when squawk is not there or fails.
    """
    for transactional in (True, False):
        group = [one for one in inputs if one.checked.script.transactional is transactional]
        if group:
            yield from _review(group, postgresql, transactional)


def _review(inputs: Sequence[Input], postgresql: str, transactional: bool) -> Iterator[Finding]:
    with TemporaryDirectory(prefix="trellis-") as name:
        folder = Path(name)
        by_name = {f"{number:06}.sql": one for number, one in enumerate(inputs)}
        for file, one in by_name.items():
            (folder / file).write_bytes(one.checked.text.encode())
        found = _run(folder, sorted(by_name), postgresql, transactional)
    seen = set()
    for violation in found:
        finding = _finding(by_name[violation["file"]], violation)
        # What follows a syntax error is a guess, and every further guess is an error of its own.
        key = (finding.file, finding.rule) if finding and finding.rule == "syntax-error" else finding
        if finding is not None and key not in seen:
            seen.add(key)
            yield finding


def _run(folder: Path, files: Sequence[str], postgresql: str, transactional: bool) -> list[dict[str, Any]]:
    assume = "--assume-in-transaction" if transactional else "--no-assume-in-transaction"
    # The folder is squawk's own: a .squawk.toml of the checkout is not found from there.
    command = [_program(), "--reporter", "json", "--pg-version", postgresql, assume, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    try:
        return list(json.loads(done.stdout))
    except json.JSONDecodeError:
        raise OperationError(
            f"squawk failed with exit code {done.returncode}: {done.stderr.strip()}\n"
            f"Version {VERSION} is known to work."
        ) from None


def _program() -> str:
    beside = Path(sys.executable).with_name("squawk")
    found = str(beside) if beside.is_file() else shutil.which("squawk")
    if found is None:
        raise OperationError(f"squawk is not installed, and `check` needs it: pip install squawk-cli=={VERSION}.")
    return found


def _finding(one: Input, violation: dict[str, Any]) -> Finding | None:
    rule = violation["rule_name"]
    if rule in MOOT:
        return None
    checked = one.checked
    offset = _offset(checked.text, violation["line"], violation["column"])
    statement = checked.at(offset)
    if statement is not None and (rule in checked.ignored(statement) or one.moot(rule, statement)):
        return None
    line, column = checked.script.place(offset)
    return Finding(
        file=checked.path,
        line=line,
        column=column,
        rule=rule,
        severity=Severity.ERROR if rule in ERRORS else Severity.WARNING,
        message=violation["message"],
        advice=ERRORS.get(rule) or violation["help"],
    )


def _offset(text: str, line: int, column: int) -> int:
    """The offset in characters of squawk's place: lines from 0, columns from 0 in bytes of UTF-8."""
    start = 0
    for _ in range(line):
        start = text.index("\n", start) + 1
    end = text.find("\n", start)
    row = text[start : len(text) if end < 0 else end]
    return start + len(row.encode()[:column].decode(errors="ignore"))
