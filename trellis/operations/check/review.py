"""The review of one database's files as they stand, without running them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trellis.migrator import MigrationFile
from trellis.migrator.errors import MigrationError
from trellis.operations.check.findings import Finding, Severity
from trellis.operations.check.locks import Level, Risk, Work, only_new, risks
from trellis.operations.check.rules import ERRORS, LONG_LOCK, LONG_WORK, RULES
from trellis.operations.check.squawk import Input
from trellis.operations.check.squawk import review as review_with_squawk
from trellis.operations.check.statements import Checked

REFUSED = "trellis-refused"
_NO_TRANSACTION = re.compile(r"--[ \t]*trellis:[^\r\n]*\bno-transaction\b")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is to be said about some files as they stand."""

    findings: tuple[Finding, ...]
    risks: tuple[Risk, ...]


def accepted(
    files: Sequence[MigrationFile], placeholders: Mapping[str, str]
) -> tuple[Sequence[Checked], Sequence[Finding]]:
    """Those files that the migrator accepts, and what it says of the others. placeholders: Flyway's own included."""
    found: list[Checked] = []
    refusals: list[Finding] = []
    for file in files:
        try:
            found.append(Checked.of(file, placeholders))
        except MigrationError as error:
            refusals.append(refused(error))
    return found, refusals


def read(
    files: Sequence[Checked],
    postgresql: str,
    made: frozenset[str] = frozenset(),
    widened: frozenset[tuple[str, str]] = frozenset(),
) -> Reading:
    """Everything that is to be said about some files, in the order they would run.

    postgresql: major version. made: tables and views that a shadow run has shown these files to make, as
    `Checked.new_tables` names them; widened: tables and columns that it has shown to hold more than before. Raises
    OperationError when squawk cannot be run.
    """
    findings: list[Finding] = []
    inputs: list[Input] = []
    locked: list[Risk] = []
    new = made
    for checked in files:
        new = checked.made(new)
        own = tuple(risks(checked, new, widened))
        inputs.append(Input(checked, new, frozenset((one.line, one.column) for one in own if one.work is Work.REWRITE)))
        findings += _outside(checked)
        findings += _own(checked, new)
        locked += own
    findings += review_with_squawk(inputs, postgresql)
    findings += _long_locks(locked, files, findings)
    return Reading(findings=tuple(findings), risks=tuple(locked))


def refused(error: MigrationError) -> Finding:
    """What the migrator would refuse before it runs anything."""
    return Finding(
        file=error.file or "",
        line=error.line,
        column=error.column,
        rule=REFUSED,
        severity=Severity.ERROR,
        message=error.message,
    )


def _own(checked: Checked, new: frozenset[str]) -> Iterator[Finding]:
    for statement in checked.statements:
        ignored = checked.ignored(statement)
        bare = checked.bare(statement)
        for rule in RULES:
            met = rule.pattern.match(checked.source(statement) if rule.unblanked else bare)
            if met and rule.name not in ignored and (rule.unblanked or not only_new(checked, statement, new)):
                yield _finding(checked, statement.start, rule.name, rule.severity, rule.message, rule.advice)


def _long_locks(locked: Sequence[Risk], checked: Sequence[Checked], found: Sequence[Finding]) -> Iterator[Finding]:
    """What holds up others for as long as a table is big and no rule speaks of."""
    files = {one.path: one for one in checked}
    speaking = {LONG_LOCK, *ERRORS, *(rule.name for rule in RULES)}
    for risk in locked:
        if risk.lock is None or risk.work is None or risk.lock < Level.SHARE or risk.work not in LONG_WORK:
            continue
        file = files[risk.file]
        statement = next(one for one in file.statements if file.script.place(one.start) == (risk.line, risk.column))
        lines = range(risk.line, file.script.place(statement.end - 1)[0] + 1)
        told = any(one.file == risk.file and one.line in lines and one.rule in speaking for one in found)
        if not told and not speaking & file.ignored(statement):
            message = f"PostgreSQL {risk.work} under a lock, {risk.lock}: {risk.holds_up} wait meanwhile."
            yield _finding(file, statement.start, LONG_LOCK, Severity.ERROR, message, LONG_WORK[risk.work])


def _outside(checked: Checked) -> Iterator[Finding]:
    """What a file is that does not run in one transaction."""
    name, count = "trellis-outside-transaction", len(checked.statements)
    conf = f"{checked.script.file.path.name}.conf"
    by_file = checked.script.file.config.execute_in_transaction is False
    comment = _NO_TRANSACTION.search(checked.text)
    by_comment = comment is not None and checked.script.comments.no_transaction
    if not checked.non_transactional and (by_file or by_comment) and count:
        statement = checked.statements[0]
        if name not in checked.ignored(statement):
            yield _finding(
                checked,
                statement.start,
                name,
                Severity.WARNING,
                f"{'executeInTransaction=false' if by_file else 'no-transaction'}, though every statement here can run"
                " in a transaction: a failure keeps the statements before it.",
                f"Remove the line from {conf}." if by_file else "Remove the comment.",
            )
    if comment is not None and by_comment and not by_file:
        yield _finding(
            checked,
            comment.start(),
            "trellis-not-seen-by-flyway",
            Severity.WARNING,
            "Flyway does not see this comment, and would run what it can of the file in a transaction.",
            f"Where Flyway runs this folder too: executeInTransaction=false in {conf}, in its place.",
        )
    for statement, kind in checked.non_transactional:
        if count > len(checked.non_transactional) and name not in checked.ignored(statement):
            yield _finding(
                checked,
                statement.start,
                name,
                Severity.WARNING,
                f"{kind.value} cannot run in a transaction, so none of the {count} statements of this file does: a"
                " failure keeps those before it.",
                "Give it a file of its own. Flyway refuses such a mixture unless `mixed` is set.",
            )


def _finding(checked: Checked, offset: int, rule: str, severity: Severity, message: str, advice: str) -> Finding:
    line, column = checked.script.place(offset)
    return Finding(
        file=checked.path, line=line, column=column, rule=rule, severity=severity, message=message, advice=advice
    )
