"""The review of one database's files."""

from collections.abc import Iterator, Mapping, Sequence

from migrator.errors import MigrationError
from migrator.files import MigrationFile
from operations.check.findings import Finding, Review, Severity
from operations.check.rules import RULES, Rule
from operations.check.squawk import Input
from operations.check.squawk import review as review_with_squawk
from operations.check.statements import Checked, same_name


def review(files: Sequence[MigrationFile], placeholders: Mapping[str, str], postgresql: str) -> Review:
    """Everything that is to be said about some files, in the order they would run.

    placeholders: Flyway's own included. postgresql: major version. Raises OperationError when squawk cannot be run.
    """
    findings: list[Finding] = []
    inputs: list[Input] = []
    new: frozenset[str] = frozenset()
    for file in files:
        try:
            checked = Checked.of(file, placeholders)
        except MigrationError as error:
            findings.append(refused(error))
            continue
        # squawk knows the tables that a file makes itself, and not its materialized views.
        inputs.append(Input(checked, new | checked.new_views))
        new |= checked.new_tables | checked.new_views
        findings += _outside(checked)
        findings += _own(checked, new)
    findings += review_with_squawk(inputs, postgresql)
    order = {str(file.path): number for number, file in enumerate(files)}
    return Review(
        files=len(files),
        findings=tuple(sorted(findings, key=lambda one: (order[one.file], one.line or 0, one.column or 0, one.rule))),
    )


def refused(error: MigrationError) -> Finding:
    """What the migrator would refuse before it runs anything."""
    return Finding(
        file=error.file or "",
        line=error.line,
        column=error.column,
        rule="trellis-refused",
        severity=Severity.ERROR,
        message=error.message,
    )


def _own(checked: Checked, new: frozenset[str]) -> Iterator[Finding]:
    for statement in checked.statements:
        ignored = checked.ignored(statement)
        bare = checked.bare(statement)
        for rule in RULES:
            text = checked.source(statement) if rule.unblanked else bare
            if rule.name not in ignored and _meets(rule, text, new):
                yield _finding(checked, statement.start, rule.name, rule.severity, rule.message, rule.advice)


def _meets(rule: Rule, text: str, new: frozenset[str]) -> bool:
    match = rule.pattern.match(text)
    if match is None:
        return False
    table = match.groupdict().get("table")
    return table is None or same_name(table) not in new


def _outside(checked: Checked) -> Iterator[Finding]:
    """What a file is that does not run in one transaction."""
    name, count = "trellis-outside-transaction", len(checked.statements)
    config = checked.script.file.config
    if not checked.alone and config.execute_in_transaction is False and count:
        statement = checked.statements[0]
        if name not in checked.ignored(statement):
            yield _finding(
                checked,
                statement.start,
                name,
                Severity.WARNING,
                "executeInTransaction=false, though every statement here can run in a transaction: a failure keeps the"
                " statements before it.",
                f"Remove the line from {checked.script.file.path.name}.conf.",
            )
    for statement, kind in checked.alone:
        if count > len(checked.alone) and name not in checked.ignored(statement):
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
