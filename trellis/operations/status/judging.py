"""What the figures of a cluster mean: findings that no single query gives."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from trellis.monitoring.findings import Finding, Severity
from trellis.monitoring.limits import GIB, LIMITS
from trellis.monitoring.questions import (
    FOLLOWS_LATE,
    JOB_GRACE,
    KILLED,
    OF_THE_MACHINE,
    POOL_FULL,
    STORAGE_FULL,
)
from trellis.operations.status import checking, history
from trellis.operations.status.words import age, size
from trellis.settings.catalogue import END_OF_LIFE
from trellis.settings.cron import Cron

if TYPE_CHECKING:
    from trellis.operations.jobs.runs import Run
    from trellis.operations.status.look import Seen, Stack
    from trellis.settings.resolved import JobSettings

# A certificate is renewed by itself; one that ends so soon was not.
_RENEWED_BEFORE = timedelta(days=14)
_SOON = timedelta(days=3)
_DAY = timedelta(days=1)


def judge(stack: "Stack", seen: "Seen", at: datetime) -> Iterator[Finding]:
    """Everything that is to be said of a cluster."""
    yield from _ways(seen)
    yield from seen.server.findings
    for answers in seen.databases.values():
        yield from answers.findings
    for answer in seen.checks:
        yield from checking.judge(answer)
    for job in stack.settings.jobs:
        if job.cluster == seen.settings.name and job.database in seen.databases:
            yield from _job(stack, job, seen.databases[job.database].runs.get(job.name, ()), at)
    yield from _cloud(stack, seen)
    yield from _storage(seen, at)
    yield from _pools(seen)
    yield from _ends(seen, at)
    yield from _credentials(stack, seen, at)
    yield from _backups(seen, at)
    yield from _drills(stack, seen, at)


def _ways(seen: "Seen") -> Iterator[Finding]:
    for one in seen.tried:
        if one.error:
            yield Finding(
                name="unreachable",
                severity=Severity.WARNING if one.way.kind == "replica" else Severity.CRITICAL,
                where=one.way.where,
                what=one.error.message,
                do=one.error.hint or f"trellis up, and the logs of {seen.settings.name}",
            )
        elif one.lags:
            much = one.behind_s > 10 * LIMITS.lag_s or one.behind_bytes > 10 * LIMITS.lag_bytes
            yield Finding(
                name="replica-lag",
                severity=Severity.CRITICAL if much else Severity.WARNING,
                where=one.way.where,
                what=f"it is {one.behind_s:.0f} s and {size(one.behind_bytes)} behind",
                do=FOLLOWS_LATE,
            )


def _job(stack: "Stack", job: "JobSettings", runs: Sequence["Run"], at: datetime) -> Iterator[Finding]:
    due = Cron.read(job.job.cron).before(at)
    where, do = f"{job.cluster}/{job.database}, {job.name}", f"trellis jobs run {job.name} --stack {stack.name}"
    newest = runs[-1] if runs else None
    good = next((one for one in reversed(runs) if one.ok), None)
    killed = (
        newest and newest.ok is None and at - newest.started_at > timedelta(seconds=job.job.timeout_seconds) + JOB_GRACE
    )
    if newest and (newest.ok is False or killed):
        said = newest.message or KILLED
        what = f"the run of {newest.started_at:%Y-%m-%d %H:%M} UTC failed: {said}"
        yield Finding(name="job-failed", severity=Severity.WARNING, where=where, what=what, do=do, tell=job.tell)
    elif (
        due > stack.made
        and at - due > JOB_GRACE
        and (good is None or good.due_at < due)
        and not (newest and newest.ok is None)
    ):
        last = f"the last that went well was for {good.due_at:%Y-%m-%d %H:%M}" if good else "it never ran"
        what = f"it was due at {due:%Y-%m-%d %H:%M} UTC, and {last}"
        # Nobody schedules the jobs of a development stack.
        severity = Severity.WARNING if stack.settings.production else Severity.NOTE
        yield Finding(name="job-missed", severity=severity, where=where, what=what, do=do, tell=job.tell)


def _cloud(stack: "Stack", seen: "Seen") -> Iterator[Finding]:
    cluster, facts = seen.settings, seen.facts
    if cluster.beside:
        what = f"it is moving: {cluster.beside.made_as} stands beside it, and both are paid for"
        yield _finding("moving", Severity.NOTE, cluster.name, what, f"trellis move status --stack {stack.name}")
    for name, state in seen.machine.items():
        if not state.ok:
            what = f"the last run of {name} failed, {state.at:%Y-%m-%d %H:%M} UTC: {state.message}"
            yield _finding("server", Severity.CRITICAL, cluster.name, what, OF_THE_MACHINE[name])
    if facts is None:
        return
    if facts.status != "online":
        do = "Wait where it is being changed; else tell DigitalOcean's support"
        yield _finding("cluster-status", Severity.CRITICAL, cluster.name, f"it is {facts.status}", do)
    if facts.plan != cluster.plan.slug:
        what = f"it has the plan {facts.plan}, and the files ask for {cluster.plan.slug}"
        yield _finding("plan", Severity.WARNING, cluster.name, what, f"trellis up --stack {stack.name}")
    if facts.pending_maintenance:
        what = f"DigitalOcean will update it on {cluster.maintenance.day} from {cluster.maintenance.hour} UTC on"
        yield _finding("maintenance", Severity.NOTE, cluster.name, what, "Nothing: connections break once, for seconds")
    for user in sorted(facts.users - set(cluster.every_login)):
        if not user.startswith("trellis_"):
            what = f"the login {user} is there, and the system file does not name it"
            do = f"Name it under `users`, or: doctl databases user delete <cluster> {user}"
            yield _finding("extra-login", Severity.WARNING, cluster.name, what, do)
    for user in sorted(set(cluster.every_login) - facts.users):
        what = f"the login {user} of the system file is not there"
        do = f"trellis up --stack {stack.name} -- --refresh"
        yield _finding("missing-login", Severity.CRITICAL, cluster.name, what, do)


def _storage(seen: "Seen", at: datetime) -> Iterator[Finding]:
    if seen.server.figures is None:
        return
    cluster, used = seen.settings, seen.server.figures.bytes
    room = cluster.plan.storage_gib * GIB
    if used >= LIMITS.full * room:
        severity = Severity.CRITICAL if used >= LIMITS.very_full * room else Severity.WARNING
        what = f"the databases take {size(used)} of {size(room)}, {100 * used / room:.0f} %"
        yield _finding("storage", severity, cluster.name, what, STORAGE_FULL)
        return
    daily = growth(seen, at)
    if daily > 0 and (days := (LIMITS.full * room - used) / daily) <= LIMITS.growth_days:
        what = f"the databases grow by {size(daily)} a day, and reach {100 * LIMITS.full:.0f} % in {days:.0f} days"
        yield _finding("growth", Severity.WARNING, cluster.name, what, STORAGE_FULL)


def growth(seen: "Seen", at: datetime) -> float:
    """Bytes a day, since the oldest record of the last month that is a day old; 0 where there is none."""
    if seen.server.figures is None:
        return 0
    for record in seen.past:
        passed, before = at - record["at"], record.get("bytes")
        if record.get("kind") == "status" and before is not None and _DAY <= passed <= LIMITS.growth_days * _DAY:
            return float((seen.server.figures.bytes - before) / (passed / _DAY))
    return 0


def _pools(seen: "Seen") -> Iterator[Finding]:
    for pools in seen.settings.pools_together:
        if (clients := seen.clients_of(pools[0])) is None:
            return
        _, busy = clients
        most = sum(pool.size for pool in pools)
        if busy >= LIMITS.full * most:
            yield _finding(
                "pool",
                Severity.CRITICAL if busy >= most else Severity.WARNING,
                f"{seen.settings.name}, {' and '.join(pool.name for pool in pools)}",
                f"{busy} of {most} server connections are at work; who comes then waits",
                POOL_FULL,
            )


def _ends(seen: "Seen", at: datetime) -> Iterator[Finding]:
    cluster = seen.settings
    ends = END_OF_LIFE.get(cluster.version)
    if ends and (left := (ends - at.date()).days) <= LIMITS.ahead_days * 3:
        what = f"PostgreSQL {cluster.version} gets no fixes after {ends}"
        severity = Severity.CRITICAL if left < 0 else Severity.WARNING
        do = "Set a newer `version` in the system file, then: trellis move plan"
        yield _finding("end-of-life", severity, cluster.name, what, do)
    for what, end in seen.certificates.items():
        authority = "authority" in what
        before = timedelta(days=LIMITS.ahead_days) if authority else _RENEWED_BEFORE
        if end - at <= before:
            severity = Severity.CRITICAL if end - at <= _SOON else Severity.WARNING
            do = "trellis up renews it" if cluster.self_hosted else "Tell DigitalOcean's support; then trellis up"
            yield _finding("certificate", severity, cluster.name, f"{what} ends on {end:%Y-%m-%d}", do)


def _credentials(stack: "Stack", seen: "Seen", at: datetime) -> Iterator[Finding]:
    for role in (role for role, logins in seen.settings.logins.items() if logins.both):
        what = f"the password of {role} is being changed, and its pools let other logins in until that has ended"
        do = f"trellis rotate {role} --stack {stack.name}"
        yield _finding("rotation", Severity.WARNING, seen.settings.name, what, do)
    old = {user: when for user, when in seen.logins.items() if at - when > timedelta(days=LIMITS.credential_days)}
    for user, when in old.items():
        what = f"the password of {user} is the one of {when:%Y-%m-%d}, {age(at - when)} ago"
        do = f"trellis rotate {user} --stack {stack.name}"
        yield _finding("old-password", Severity.NOTE, seen.settings.name, what, do)


def _backups(seen: "Seen", at: datetime) -> Iterator[Finding]:
    newest = backup(seen)
    since = newest or (seen.facts.created if seen.facts else None)
    if since is None or at - since <= timedelta(hours=LIMITS.backup_hours):
        return
    late = at - since > timedelta(hours=LIMITS.no_backup_hours)
    what = f"the newest backup is {age(at - since)} old" if newest else "there is no backup"
    do = "Tell DigitalOcean's support" if seen.managed else "journalctl -u trellis-dump, on the server"
    severity = Severity.CRITICAL if late else Severity.WARNING
    yield _finding("backup", severity, seen.settings.name, what, do)


def backup(seen: "Seen") -> datetime | None:
    """When the newest backup or dump was made."""
    dump = seen.machine.get("dump")
    return seen.facts.backup if seen.facts else dump.at if dump and dump.ok else None


def _drills(stack: "Stack", seen: "Seen", at: datetime) -> Iterator[Finding]:
    newest, proven = history.last(seen.past, "drill"), history.last(seen.past, "drill", good=True)
    do = f"trellis drill --stack {stack.name}"
    if newest and not newest.get("ok"):
        what = f"the drill of {newest['at']:%Y-%m-%d} failed: a restore is not known to work"
        yield _finding("drill-failed", Severity.CRITICAL, seen.settings.name, what, do)
        return
    if proven is None or at - proven["at"] > timedelta(days=LIMITS.drill_days):
        what = f"the last proven restore is {age(at - proven['at'])} old" if proven else "no restore was ever proven"
        # A new stack's is a matter of the first month.
        severity = Severity.WARNING if stack.settings.production else Severity.NOTE
        yield _finding("drill", severity, seen.settings.name, what, do)


def _finding(name: str, severity: Severity, where: str, what: str, do: str) -> Finding:
    return Finding(name=name, severity=severity, where=where, what=what, do=do)
