"""A look as a person reads it, and as values."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from trellis.monitoring.findings import Severity
from trellis.monitoring.limits import GIB
from trellis.operations.jobs.runs import Run
from trellis.operations.status import history
from trellis.operations.status.judging import backup, growth
from trellis.operations.status.look import Page, Seen
from trellis.operations.status.words import age, size
from trellis.operations.terminal import paint, table
from trellis.settings.catalogue import END_OF_LIFE

_COLOURS = {Severity.CRITICAL: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def as_text(page: Page) -> str:
    """The page."""
    settings = page.stack.settings
    head = (
        f"{page.stack.name}: {settings.system}, {settings.mode.value}, {settings.phase.value}, "
        f"${settings.monthly_usd:.2f} a month"
    )
    lines = [paint(head, "bold"), f"{page.at:%Y-%m-%d %H:%M:%S} UTC"]
    for seen in page.clusters:
        lines += ["", *_cluster(page, seen)]
    return "\n".join([*lines, "", *_findings(page)])


def _cluster(page: Page, seen: Seen) -> Iterator[str]:
    cluster, figures = seen.settings, seen.server.figures
    status = seen.facts.status if seen.facts else "self-hosted" if not seen.managed else "not known"
    version = figures.version if figures else cluster.version
    yield f"{paint(cluster.name, 'bold')}  PostgreSQL {version}, {cluster.plan.slug}, {status}"
    if figures:
        daily = growth(seen, page.at)
        grows = f", {size(daily)} a day" if daily else ""
        room = cluster.plan.storage_gib * GIB
        yield f"  storage      {size(figures.bytes)} of {size(room)} ({100 * figures.bytes / room:.1f} %){grows}"
        yield f"  connections  {figures.connections} of {cluster.plan.connections}"
        for pool in cluster.pools:
            held, busy = seen.clients_of(pool) or (0, 0)
            yield f"  pool         {pool.name}: {busy} of {pool.size} at work, {held} open"
    for one in seen.tried:
        how = paint("does not answer", "red") if one.error else f"{one.milliseconds:.0f} ms"
        behind = f", {one.behind_s:.0f} s behind" if one.way.kind == "replica" and not one.error else ""
        yield f"  {one.way.kind:<11}  {one.way.name}: {how}{behind}"
    yield f"  backup       {_ago(backup(seen), page.at)}; last proven restore: {_ago(_proven(seen), page.at)}"
    ends = END_OF_LIFE.get(cluster.version)
    ending = min(seen.certificates.values(), default=None)
    renewed = f"; the first certificate to end does on {ending:%Y-%m-%d}" if ending else ""
    yield f"  until        PostgreSQL {cluster.version} gets fixes until {ends}{renewed}"
    if seen.logins:
        oldest = min(seen.logins, key=lambda user: seen.logins[user])
        yield f"  passwords    the oldest is that of {oldest}: {age(page.at - seen.logins[oldest])}"
    for answer in seen.checks:
        yield f"  check        {answer.check.name}: {'not known' if answer.number is None else f'{answer.number:g}'}"
    for job, run in _runs(page, seen):
        ended = "never ran" if run is None else f"{_ago(run.started_at, page.at)}{'' if run.ok else ', not well'}"
        yield f"  job          {job}: {ended}"
    for name, answers in seen.databases.items():
        held_bytes = size(figures.sizes.get(name, 0)) if figures else "not known"
        yield f"  database     {name}: {held_bytes}, {answers.pending or 0} migrations pending"
        if answers.statements:
            rows = [
                (str(one["total"]), str(one["calls"]), str(one["mean"]), one["login"], one["statement"][:60])
                for one in answers.statements
            ]
            listed = table(("total ms", "calls", "mean ms", "login", "statement"), rows, lambda _: None)
            yield from (f"    {line}" for line in listed.splitlines())


def _findings(page: Page) -> Iterator[str]:
    for one in page.findings:
        yield f"{paint(one.severity.value, _COLOURS[one.severity])}: {one.where}: {one.what}. [{one.name}]"
        yield f"    {one.do}"
        if one.tell:
            yield f"    tell {', '.join(one.tell)}"
    counts = [
        f"{count} {severity.value}{'' if severity is Severity.CRITICAL or count == 1 else 's'}"
        for severity in reversed(Severity)
        if (count := sum(one.severity is severity for one in page.findings))
    ]
    yield ", ".join(counts) or paint("All is well.", "green")


def _runs(page: Page, seen: Seen) -> Iterator[tuple[str, Run | None]]:
    """The cluster's jobs, each with its newest run."""
    for job in page.stack.settings.jobs:
        if job.cluster == seen.settings.name and job.database in seen.databases:
            runs = seen.databases[job.database].runs.get(job.name)
            yield job.name, runs[-1] if runs else None


def _proven(seen: Seen) -> datetime | None:
    found = history.last(seen.past, "drill", good=True)
    return found["at"] if found else None


def _ago(when: datetime | None, now: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC, {age(now - when)} ago" if when else "none"


def as_values(page: Page) -> dict[str, Any]:
    """The same as values for JSON."""
    settings = page.stack.settings
    return {
        "command": "status",
        "ok": page.worst in (None, Severity.NOTE),
        "stack": page.stack.name,
        "system": settings.system,
        "mode": settings.mode.value,
        "phase": settings.phase.value,
        "at": page.at.isoformat(timespec="seconds"),
        "monthly_usd": settings.monthly_usd,
        "clusters": [_values(page, seen) for seen in page.clusters],
        "findings": [one.to_dict() for one in page.findings],
    }


def _values(page: Page, seen: Seen) -> dict[str, Any]:
    cluster, figures = seen.settings, seen.server.figures

    def iso(when: datetime | None) -> str | None:
        return when.isoformat(timespec="seconds") if when else None

    return {
        "name": cluster.name,
        "status": seen.facts.status if seen.facts else None,
        "plan": cluster.plan.slug,
        "version": figures.version if figures else None,
        "end_of_life": str(END_OF_LIFE.get(cluster.version)),
        "bytes": figures.bytes if figures else None,
        "bytes_allowed": cluster.plan.storage_gib * GIB,
        "bytes_a_day": round(growth(seen, page.at)),
        "connections": figures.connections if figures else None,
        "connections_allowed": cluster.plan.connections,
        "pools": {
            pool.name: dict(
                zip(("open", "busy", "size"), (*(seen.clients_of(pool) or (None, None)), pool.size), strict=True)
            )
            for pool in cluster.pools
        },
        "ways": [one.to_dict() for one in seen.tried],
        "backup": iso(backup(seen)),
        "proven_restore": iso(_proven(seen)),
        "certificates": {what: iso(end) for what, end in seen.certificates.items()},
        "passwords": {user: iso(when) for user, when in seen.logins.items()},
        "jobs": {
            job: run and {"started_at": iso(run.started_at), "due_at": iso(run.due_at), "ok": run.ok}
            for job, run in _runs(page, seen)
        },
        "checks": {answer.check.name: answer.number for answer in seen.checks},
        "databases": [
            {
                "name": name,
                "bytes": figures.sizes.get(name) if figures else None,
                "pending": answers.pending,
                "statements": [dict(one) for one in answers.statements],
            }
            for name, answers in seen.databases.items()
        ],
    }
