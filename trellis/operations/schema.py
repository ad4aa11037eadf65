"""The subcommands that work on a database's migrations: migrate, info, validate, repair, baseline and reset."""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from trellis.migrator import Options, RepairReport, Stop, baseline, info, migrate, repair, validate
from trellis.operations import migration_state, plans, resets
from trellis.operations.databases import Database, opened
from trellis.operations.errors import WrongCall
from trellis.operations.side_by_side import Outcome, each
from trellis.operations.terminal import confirm, paint, say, tell, teller

PENDING = 3


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a subcommand found or did in one database.

    values: for JSON. text: for a person. good: whether all is well. pending: how many migrations are.
    idle: whether the planned change is none, so that nobody need be asked.
    """

    values: Mapping[str, Any]
    text: str
    good: bool = True
    pending: int = 0
    idle: bool = False


@dataclass(frozen=True)
class Work:
    """A subcommand: how it works on one database, and what it asks before it changes one."""

    do: Callable[[Database, Namespace, Options], Answer]
    ask: Callable[[Database, Namespace, Options], Answer] | None = None
    question: str = field(default="")


def run(options: Namespace) -> int:
    """Runs one of the subcommands on every database that the arguments name; returns the exit code."""
    work = _WORK[options.command]
    with opened(options) as (databases, warnings):
        for warning in warnings:
            tell(f"warning: {warning}")
        several = len(databases) > 1
        stop = Stop()

        def perform(do: Callable[[Database, Namespace, Options], Answer]) -> Callable[[Database], Answer]:
            return lambda database: do(database, options, _options(options, stop, database.name if several else None))

        if work.ask is not None and (options.dry_run or not options.yes):
            planned = each(databases, perform(work.ask))
            if options.dry_run or all(one.result is not None and one.result.idle for one in planned):
                return _finish(options, planned)
            _show(planned, tell)
            if not all(_good(outcome) for outcome in planned):
                return _finish(options, planned, shown=True)
            if not _agreed(work.question, planned):
                return _finish(options, planned, shown=True, failed=True)
        if getattr(options, "backup", False) and not options.dry_run:
            _back_up(options, databases)
        return _finish(options, each(databases, perform(work.do), stop))


def _back_up(options: Namespace, databases: Sequence[Database]) -> None:
    """Makes a backup of the stack where a migration of these is pending. Raises OperationError where it fails."""
    if options.url is not None:
        raise WrongCall(
            "--backup belongs to a stack: a database of --url has no place for backups. Nothing was changed."
        )
    from trellis.operations.backup.command import before_migrations

    before_migrations(options.stack, options.config_file, databases, _options(options, Stop(), None))


def _options(options: Namespace, stop: Stop, name: str | None) -> Options:
    known = {one.name for one in fields(Options)}
    given = {key: value for key, value in vars(options).items() if key in known and value is not None}
    return Options(**given, stop=stop, progress=teller(name))


def _agreed(question: str, planned: Sequence[Outcome[Answer]]) -> bool:
    count = len(planned)
    which = planned[0].database.name if count == 1 else f"{count} databases"
    answer = confirm(question.format(which))
    if answer is None:
        raise WrongCall("Nobody is there to be asked. Give --yes to go on, or --dry-run to look. Nothing was changed.")
    if not answer:
        tell("Nothing was changed.")
    return answer


def _finish(
    options: Namespace, outcomes: Sequence[Outcome[Answer]], *, shown: bool = False, failed: bool = False
) -> int:
    good = not failed and all(_good(outcome) for outcome in outcomes)
    if options.json:
        say(json.dumps({"command": options.command, "ok": good, "databases": [_values(one) for one in outcomes]}))
    elif not shown:
        _show(outcomes, say)
    if not good:
        return 1
    pending = any(outcome.result is not None and outcome.result.pending for outcome in outcomes)
    return PENDING if pending and getattr(options, "exit_code", False) else 0


def _good(outcome: Outcome[Answer]) -> bool:
    return outcome.result is not None and outcome.result.good


def _values(outcome: Outcome[Answer]) -> dict[str, Any]:
    values: dict[str, Any] = {"database": outcome.database.name, "ok": _good(outcome), "error": None}
    if outcome.error is not None:
        values["error"] = outcome.error.to_dict()
    return values | dict(outcome.result.values if outcome.result is not None else {})


def _show(outcomes: Sequence[Outcome[Answer]], show: Callable[[str], None]) -> None:
    """Results where `show` puts them, errors on stderr; the database's name above each where there are several."""
    for outcome in outcomes:
        name = outcome.database.name
        if outcome.error is not None:
            tell(f"error: {name}: {outcome.error}")
        elif outcome.result is not None:
            text = outcome.result.text
            show(f"{paint(name, 'bold')}\n{text}\n" if len(outcomes) > 1 else text)
    failed = [outcome.database.name for outcome in outcomes if outcome.error is not None]
    if failed and len(outcomes) > 1:
        tell(f"error: {len(failed)} of {len(outcomes)} databases failed: {', '.join(failed)}.")


def _migrate(database: Database, options: Namespace, settings: Options) -> Answer:
    if options.dry_run:
        return _would_migrate(database, settings)
    sources = database.sources
    report = migrate(database.target, sources.folder, sources.placeholders, settings)
    at = f"version {report.current_version}" if report.current_version else "no version"
    count = len(report.applied)
    done = f"{_migrations(count)} applied in {report.milliseconds} ms" if count else "Nothing to apply"
    lines = [f"{done}; {at} is current."]
    if count:
        position = f" (log position {report.restore_lsn})" if report.restore_lsn else ""
        lines.append(f"Restore point before the run: {report.restore_time.isoformat(sep=' ')}{position}.")
    lines += [f"warning: {warning}" for warning in report.warnings]
    return Answer(values={"dry_run": False, "report": report.to_dict()}, text="\n".join(lines))


def _would_migrate(database: Database, settings: Options) -> Answer:
    found = plans.pending(database, settings)
    at = f"version {found.current_version}" if found.current_version else "no version"
    count = len(found.pending)
    lines = [
        f"{_migrations(count)} would be applied; {at} is current." if count else f"Nothing to apply; {at} is current."
    ]
    lines += [f"  {one.script}{'' if one.transactional else '  (outside a transaction)'}" for one in found.pending]
    lines += [f"warning: {warning}" for warning in found.warnings]
    values = {
        "current_version": found.current_version,
        "pending": [
            {
                "version": one.version,
                "description": one.description,
                "script": one.script,
                "checksum": one.checksum,
                "transactional": one.transactional,
            }
            for one in found.pending
        ],
        "warnings": list(found.warnings),
    }
    return Answer(values={"dry_run": True, "plan": values}, text="\n".join(lines), pending=count)


def _info(database: Database, _options: Namespace, settings: Options) -> Answer:
    sources = database.sources
    found = migration_state.read(info(database.target, sources.folder, sources.placeholders, settings), sources.folder)
    pending = sum(one.pending for one in found)
    return Answer(
        values={"pending": pending, "migrations": [one.to_dict() for one in found]},
        text=migration_state.as_table(found),
        pending=pending,
    )


def _validate(database: Database, _options: Namespace, settings: Options) -> Answer:
    sources = database.sources
    problems = validate(database.target, sources.folder, sources.placeholders, settings)
    lines = [f"- {str(problem).replace(chr(10), chr(10) + '  ')}" for problem in problems]
    count = len(problems)
    heading = f"{count} {'problem' if count == 1 else 'problems'}:" if count else "Files and history agree."
    return Answer(
        values={"problems": [problem.to_dict() for problem in problems]},
        text="\n".join([paint(heading, "red" if count else "green"), *lines]),
        good=not problems,
    )


def _repair(database: Database, _options: Namespace, settings: Options) -> Answer:
    sources = database.sources
    return _repaired(repair(database.target, sources.folder, sources.placeholders, settings), dry_run=False)


def _would_repair(database: Database, _options: Namespace, settings: Options) -> Answer:
    return _repaired(plans.repairs(database, settings), dry_run=True)


def _repaired(report: RepairReport, *, dry_run: bool) -> Answer:
    would = "would be " if dry_run else ""
    lines = [
        *(f"  {would}removed: the row of the failed {script}" for script in report.removed),
        *(f"  {would}marked as deleted: {script}, whose file is gone" for script in report.deleted),
        *(f"  {would}aligned with its file: {script}" for script in report.aligned),
    ]
    heading = "The history would change:" if dry_run else "The history was changed:"
    return Answer(
        values={"dry_run": dry_run, "repair": report.to_dict()},
        text="\n".join([heading, *lines]) if lines else "Nothing to repair.",
        idle=not lines,
    )


def _baseline(database: Database, options: Namespace, settings: Options) -> Answer:
    baseline(database.target, options.version, settings)
    return Answer(
        values={"dry_run": False, "baseline": {"version": options.version}},
        text=f"The history says now: version {options.version} is the baseline.",
    )


def _would_baseline(database: Database, options: Namespace, _settings: Options) -> Answer:
    plans.refuse_baseline(database, options.version)
    return Answer(
        values={"dry_run": True, "baseline": {"version": options.version}},
        text=f"The history would say: version {options.version} is the baseline; migrations up to it will never run.",
    )


def _reset(database: Database, _options: Namespace, settings: Options) -> Answer:
    report = resets.reset(database, settings)
    at = f"version {report.current_version}" if report.current_version else "no version"
    return Answer(
        values={"dry_run": False, "report": report.to_dict()},
        text=f"Emptied; {_migrations(len(report.applied))} applied; {at} is current.",
    )


def _would_reset(database: Database, _options: Namespace, _settings: Options) -> Answer:
    lost = resets.lost(database)
    schemas = ", ".join(f"{name} ({tables} {'table' if tables == 1 else 'tables'})" for name, tables in lost.schemas)
    return Answer(
        values={"dry_run": True, "schemas": dict(lost.schemas)},
        text=f"Everything in it would be deleted, and its migrations would run anew: {schemas or 'it is empty'}.",
    )


def _migrations(count: int) -> str:
    return f"{count} migration{'' if count == 1 else 's'}"


_WORK: Mapping[str, Work] = {
    "migrate": Work(_migrate),
    "info": Work(_info),
    "validate": Work(_validate),
    "repair": Work(_repair, _would_repair, "Change the history of {} so?"),
    "reset": Work(_reset, _would_reset, "Delete everything in {} and migrate it anew?"),
    "baseline": Work(_baseline, _would_baseline, "Record this baseline in {}?"),
}
