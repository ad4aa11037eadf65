"""The questions of `trellis status` as queries of a program that asks by SQL alone: prometheus-sql-exporter.

Its query of a name, `trellis:<what is asked>`, gives a series for each of its `values`; Prometheus takes the name of
the series from that (`METRIC`). Labels that the program has of its own are told as `of_<label>`. What a query finds
stands until it is asked again, so a place that cannot be asked is told by `looked_timestamp_seconds`, and by the
program's own `FAILED`.
"""
# ruff: noqa: S608
# What is put into these queries stands in this program or in the system file, and as a text in `_text`.

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from string import Formatter
from typing import TYPE_CHECKING, Any

from trellis.monitoring.findings import Severity
from trellis.monitoring.limits import GIB, LIMITS, Limits
from trellis.monitoring.questions import (
    FOLLOWS_LATE,
    JOB_GRACE,
    KILLED,
    OF_A_CLUSTER,
    OF_A_DATABASE,
    OF_THE_MACHINE,
    POOL_FULL,
    RUNS,
    SIZES,
    STORAGE_FULL,
    TOP_STATEMENTS,
    Question,
)
from trellis.settings.catalogue import FIRST_DATABASE
from trellis.settings.cron import Cron

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings, PoolSettings, Settings
    from trellis.settings.resolved import CheckSettings, JobSettings

INTERVAL = 30
"""Seconds between two looks."""
METRIC = "sql_trellis:.+"
FAILED = "sql_exporter_last_scrape_failed"
SINCE = "{{TRELLIS_SINCE}}"
"""What stands here for the time since which the program looks, which is its environment's: a job that never ran is not
missed before."""

# 29 February comes again after eight years at the latest.
_DAYS = 8 * 366
_AT = "YYYY-MM-DD HH24:MI"
_NOTHING = "'<table/>'::xml"
# As the administrator's session of `trellis status` has them.
_SESSION = {
    "statement_timeout": "15000",
    "lock_timeout": "1000",
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog",
}


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked in one place. labels: columns of text. values: columns that are numbers, each a series."""

    name: str
    sql: str
    labels: Sequence[str]
    values: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """As the program reads it."""
        return {
            "name": f"trellis:{self.name}",
            # One for all: names that differ in signs alone are one to the program.
            "help": "trellis",
            "labels": list(self.labels),
            "values": list(self.values),
            "query": self.sql,
            "allow_zero_rows": True,
        }


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where questions are asked, by one connection. name: as `status` calls it.

    kind, key: which of the URIs of the cluster leads there: `direct` and a database, `pool` and its name, `replica` and
    its number.
    """

    name: str
    cluster: str
    kind: str
    key: str
    queries: Sequence[Query] = field(default_factory=tuple)

    def to_dict(self, uri: str) -> dict[str, Any]:
        """As the program reads it. uri: libpq's, with the password; the authority's certificate is `<cluster>.crt`."""
        parameters = {
            "sslrootcert": f"/etc/trellis/{self.cluster}.crt",
            "connect_timeout": "5",
            "application_name": "trellis-monitoring",
            # A pool would hand them on to its next client.
            **(_SESSION if self.kind != "pool" else {}),
        }
        looked = Query(
            name="looked",
            sql=f"SELECT {_text(self.cluster)} AS cluster, {_text(self.name)} AS asked,"
            " extract(epoch FROM clock_timestamp())::float8 AS looked_timestamp_seconds",
            labels=("cluster", "asked"),
            values=("looked_timestamp_seconds",),
        )
        return {
            "name": self.name,
            "interval": f"{INTERVAL}s",
            # Its driver knows one of libpq's two names.
            "connections": [
                uri.replace("postgresql://", "postgres://", 1)
                + "".join(f"&{key}={value}" for key, value in parameters.items())
            ],
            "queries": [query.to_dict() for query in (*self.queries, looked)],
        }


def places(settings: "Settings", stack: str) -> Iterator[Place]:
    """Everywhere that a stack is asked."""
    for cluster in settings.clusters:
        for number, database in enumerate(cluster.databases):
            where = f"{cluster.name}/{database.name}"
            jobs = [job for job in settings.jobs if (job.cluster, job.database) == (cluster.name, database.name)]
            queries = [
                *(_of_a_cluster(cluster) if number == 0 else ()),
                *(told(question, where, cluster.plan.connections) for question in OF_A_DATABASE),
                _statements(cluster.name, database.name),
                *_of_jobs(jobs, settings, stack),
            ]
            yield Place(name=where, cluster=cluster.name, kind="direct", key=database.name, queries=queries)
        for pool in cluster.pools:
            checks = [one for one in settings.checks if (one.cluster, one.pool) == (cluster.name, pool.name)]
            if checks:
                name = f"{cluster.name}, pool {pool.name}"
                queries = [_check(one) for one in checks]
                yield Place(name=name, cluster=cluster.name, kind="pool", key=pool.name, queries=queries)
        for number in range(1, cluster.replicas + 1):
            key = f"replica-{number}"
            name = f"{cluster.name}, {key}"
            yield Place(name=name, cluster=cluster.name, kind="replica", key=key, queries=_of_a_replica(cluster, key))
        if cluster.self_hosted:
            server = [told(_SERVER, cluster.name, cluster.plan.connections)]
            yield Place(
                name=f"{cluster.name}/{FIRST_DATABASE}",
                cluster=cluster.name,
                kind="direct",
                key=FIRST_DATABASE,
                queries=server,
            )


def told(question: Question, where: str, connections: int, limits: Limits = LIMITS) -> Query:
    """A question as a query whose rows are findings, in the words of `status`. connections: that the plan allows."""
    asked = _filled(question.sql, connections=connections, **asdict(limits))
    columns = {column for text in (question.what, question.do) for _, column, _, _ in Formatter().parse(text) if column}
    if question.extension:
        asked = _of_an_extension(question.extension, asked, columns)
    place = "CASE WHEN q.place <> '' THEN ', ' || q.place ELSE '' END" if " AS place" in asked else "''"
    severity = _text(question.severity.value)
    if " AS critical" in asked:
        severity = f"CASE WHEN q.critical THEN {_text(Severity.CRITICAL.value)} ELSE {severity} END"
    sql = (
        f"SELECT DISTINCT {_text(question.name)} AS finding, {severity} AS severity,"
        f" concat({_text(where)}, {place}) AS \"where\", split_part({_said(question.what)}, E'\\n', 1) AS what,"
        f' {_said(question.do)} AS "do", 1 AS finding_told FROM ({asked}) q'
    )
    labels = ("finding", "severity", "where", "what", "do")
    return Query(name=question.name, sql=sql, labels=labels, values=("finding_told",))


def _text(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def _filled(sql: str, **parameters: float) -> str:
    return sql % {key: repr(value) for key, value in parameters.items()} if "%(" in sql else sql


def _said(sentence: str) -> str:
    """A sentence with the columns of a row in it."""
    parts = [
        part
        for literal, column, _, _ in Formatter().parse(sentence)
        for part in (_text(literal) if literal else "", f"q.{column}" if column else "")
        if part
    ]
    return f"concat({', '.join(parts) or _text('')})"


def _rows(query: str, there: str, columns: Mapping[str, str]) -> str:
    """The rows of a query whose tables need not be there: a text of SQL that is run where `there` holds.

    Both are expressions. columns: name -> type.
    """
    listed = ", ".join(f"{name} {kind} PATH {_text(name)}" for name, kind in columns.items())
    found = f"CASE WHEN {there} THEN query_to_xml({query}, false, false, '') ELSE {_NOTHING} END"
    return f"xmltable('/table/row' PASSING ({found}) COLUMNS {listed})"


def _of_an_extension(name: str, sql: str, columns: set[str]) -> str:
    schema = (
        "(SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        f" WHERE e.extname = {_text(name)})"
    )
    query = f"replace({_text(sql)}, '{{extension}}', {schema})"
    rows = _rows(query, f"{schema} IS NOT NULL", dict.fromkeys(sorted(columns), "text"))
    return f"SELECT * FROM {rows}"


def _statements(cluster: str, database: str) -> Query:
    rows = _of_an_extension("pg_stat_statements", TOP_STATEMENTS.sql, {"login", "statement", "mean"})
    sql = (
        f"SELECT {_text(cluster)} AS cluster, {_text(database)} AS of_database, login, statement,"
        f" max(mean::float8) / 1000 AS statement_mean_seconds FROM ({rows}) q GROUP BY login, statement"
    )
    labels = ("cluster", "of_database", "login", "statement")
    return Query(name="statements", sql=sql, labels=labels, values=("statement_mean_seconds",))


def _of_a_cluster(cluster: "ClusterSettings") -> Iterator[Query]:
    own, allowed = _text(cluster.name), cluster.plan.connections
    for question in (*OF_A_CLUSTER, _storage(cluster)):
        yield told(question, cluster.name, allowed)
    for number, question in enumerate(_full_pools(cluster)):
        yield replace(told(question, cluster.name, allowed), name=f"pool {number}")
    clients = (
        "(SELECT count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid"
        " WHERE a.backend_type = 'client backend' AND NOT r.rolsuper AND a.pid <> pg_backend_pid())"
    )
    figures = {
        "connections": clients,
        "connections_allowed": str(allowed),
        "storage_bytes": f"(SELECT sum(bytes) FROM ({SIZES}) s)",
        "storage_allowed_bytes": str(cluster.plan.storage_gib * GIB),
    }
    yield Query(
        name="cluster",
        sql=f"SELECT {own} AS cluster, {', '.join(f'{what}::float8 AS {name}' for name, what in figures.items())}",
        labels=("cluster",),
        values=list(figures),
    )
    yield Query(
        name="databases",
        sql=f"SELECT {own} AS cluster, name::text AS of_database, bytes::float8 AS database_bytes FROM ({SIZES}) s",
        labels=("cluster", "of_database"),
        values=("database_bytes",),
    )
    if cluster.pools:
        each = ", ".join(f"({_text(pool.name)}, {pool.size}, {_busy(cluster, pool)})" for pool in cluster.pools)
        yield Query(
            name="pools",
            sql=f"SELECT {own} AS cluster, pool, size::float8 AS pool_size, busy::float8 AS pool_busy"
            f" FROM (VALUES {each}) p (pool, size, busy)",
            labels=("cluster", "pool"),
            values=("pool_size", "pool_busy"),
        )


def _busy(cluster: "ClusterSettings", pool: "PoolSettings") -> str:
    return (
        "(SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend'"
        f" AND a.usename = {_text(cluster.serving(pool.user))} AND a.datname = {_text(pool.database)}"
        " AND a.state IS DISTINCT FROM 'idle')"
    )


def _storage(cluster: "ClusterSettings") -> Question:
    room = cluster.plan.storage_gib * GIB
    return Question(
        name="storage",
        sql=f"""
        SELECT round(sum(bytes) / {GIB}.0, 2) AS gib, round(100 * sum(bytes) / {room}) AS percent,
            sum(bytes) >= %(very_full)s * {room} AS critical
        FROM ({SIZES}) s HAVING sum(bytes) >= %(full)s * {room}
        """,
        what=f"the databases take {{gib}} GiB of {cluster.plan.storage_gib} GiB, {{percent}} %",
        do=STORAGE_FULL,
    )


def _full_pools(cluster: "ClusterSettings") -> Iterator[Question]:
    for pools in cluster.pools_together:
        most = sum(pool.size for pool in pools)
        names = " and ".join(pool.name for pool in pools)
        yield Question(
            name="pool",
            sql=f"SELECT {_text(names)} AS place, busy, busy >= {most} AS critical"
            f" FROM {_busy(cluster, pools[0])} b (busy) WHERE busy >= %(full)s * {most}",
            what=f"{{busy}} of {most} server connections are at work; who comes then waits",
            do=POOL_FULL,
        )


def _of_a_replica(cluster: "ClusterSettings", key: str) -> Sequence[Query]:
    # What it has got and not applied. One that gets nothing is as old as what it applied last.
    behind = """
        SELECT CASE WHEN got > 0 OR NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')
                THEN age ELSE 0 END AS seconds, got AS bytes
        FROM (SELECT coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float8 AS age,
            coalesce(greatest(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0), 0)::bigint
                AS got) AS now
    """
    question = Question(
        name="replica-lag",
        sql=f"""
        SELECT {_text(key)} AS place, round(seconds)::bigint AS seconds, pg_size_pretty(bytes) AS bytes,
            seconds > 10 * %(lag_s)s OR bytes > 10 * %(lag_bytes)s::bigint AS critical
        FROM ({behind}) b WHERE seconds > %(lag_s)s OR bytes > %(lag_bytes)s
        """,
        what="it is {seconds} s and {bytes} behind",
        do=FOLLOWS_LATE,
    )
    figures = Query(
        name="replica",
        sql=f"SELECT {_text(cluster.name)} AS cluster, {_text(key)} AS name, seconds AS replica_lag_seconds,"
        f" bytes::float8 AS replica_lag_bytes FROM ({behind}) b",
        labels=("cluster", "name"),
        values=("replica_lag_seconds", "replica_lag_bytes"),
    )
    return told(question, cluster.name, cluster.plan.connections), figures


_SERVER = Question(
    name="server",
    sql=f"""
    SELECT name, to_char(at AT TIME ZONE 'UTC', '{_AT}') AS at, message,
        CASE name {" ".join(f"WHEN {_text(name)} THEN {_text(do)}" for name, do in OF_THE_MACHINE.items())} END AS mend
    FROM server.state WHERE NOT ok
    """,
    what="the last run of {name} failed, {at} UTC: {message}",
    do="{mend}",
    severity=Severity.CRITICAL,
)


def _check(one: "CheckSettings") -> Query:
    """Its number. What is above the threshold becomes a finding by a rule, so that it is asked once."""
    statement = one.check.sql.rstrip().removesuffix(";")
    # The first two hold for this one message, which is a transaction, and leave a pool's session as it was.
    sql = (
        f"SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout = '{one.check.timeout_seconds}s';"
        f" SELECT {_text(one.cluster)}::text AS cluster, {_text(one.database)}::text AS of_database,"
        f' {_text(one.name)}::text AS of_check, number::float8 AS "check" FROM (\n{statement}\n) asked (number)'
    )
    return Query(name=f"check {one.name}", sql=sql, labels=("cluster", "of_database", "of_check"), values=("check",))


def _of_jobs(jobs: Sequence["JobSettings"], settings: "Settings", stack: str) -> Iterator[Query]:
    for job in jobs:
        query = _text(RUNS % {"job": _text(job.name)})
        runs = f"""
        runs AS (SELECT * FROM {_rows(query, "to_regclass('trellis.job_runs') IS NOT NULL", _RUN)}),
        newest AS (SELECT * FROM runs ORDER BY id DESC LIMIT 1),
        good AS (SELECT * FROM runs WHERE ok ORDER BY id DESC LIMIT 1),
        failed AS (SELECT * FROM newest WHERE NOT ok OR (ok IS NULL AND
            now() - started_at > make_interval(secs => {job.job.timeout_seconds + JOB_GRACE.total_seconds():g})))
        """
        do = f"trellis jobs run {job.name} --stack {stack}"
        where = f"{job.cluster}/{job.database}, {job.name}"
        failed = Question(
            name="job-failed",
            sql=f"""
            WITH {runs}
            SELECT to_char(started_at AT TIME ZONE 'UTC', '{_AT}') AS started,
                coalesce(nullif(message, ''), {_text(KILLED)}) AS said FROM failed
            """,
            what="the run of {started} UTC failed: {said}",
            do=do,
        )
        missed = Question(
            name="job-missed",
            sql=f"""
            WITH {runs}
            SELECT to_char(due AT TIME ZONE 'UTC', '{_AT}') AS due, coalesce('the last that went well was for '
                || to_char(good.due_at AT TIME ZONE 'UTC', '{_AT}'), 'it never ran') AS last
            FROM {_due(Cron.read(job.job.cron))} LEFT JOIN newest ON true LEFT JOIN good ON true
            WHERE now() - due > make_interval(secs => {JOB_GRACE.total_seconds():g})
                AND (newest.id IS NULL OR newest.ok)
                AND CASE WHEN good.id IS NULL THEN due > '{SINCE}' ELSE good.due_at < due END
            """,
            what="it was due at {due} UTC, and {last}",
            do=do,
            # Nobody schedules the jobs of a development stack.
            severity=Severity.WARNING if settings.production else Severity.NOTE,
        )
        for question in (failed, missed):
            yield replace(told(question, where, 0), name=f"{question.name} {job.name}")
        yield Query(
            name=f"runs {job.name}",
            sql=f"""
            WITH {runs}
            SELECT {_text(job.cluster)} AS cluster, {_text(job.database)} AS of_database, {_text(job.name)} AS job,
                CASE WHEN EXISTS (SELECT FROM newest WHERE NOT ok) THEN 0 ELSE 1 END AS job_ok,
                coalesce((SELECT extract(epoch FROM started_at) FROM good), 0)::float8
                    AS job_succeeded_timestamp_seconds
            """,
            labels=("cluster", "of_database", "job"),
            values=("job_ok", "job_succeeded_timestamp_seconds"),
        )


_RUN = {"id": "bigint", "due_at": "timestamptz", "started_at": "timestamptz", "ok": "boolean", "message": "text"}


def _due(cron: Cron) -> str:
    """When it was last due, `due`: the newest time of the newest two days that it admits."""

    def numbers(values: Sequence[int]) -> str:
        return f"'{{{','.join(map(str, sorted(values)))}}}'::int[]"

    today, join = "(now() AT TIME ZONE 'UTC')::date", "OR" if cron.either else "AND"
    return f"""
    (SELECT max(at) AS due FROM (
        SELECT (day + make_interval(hours => h, mins => m)) AT TIME ZONE 'UTC' AS at FROM (
            SELECT {today} - n AS day FROM generate_series(0, {_DAYS}) n
            WHERE extract(month FROM {today} - n)::int = ANY ({numbers(tuple(cron.months))})
                AND (extract(day FROM {today} - n)::int = ANY ({numbers(tuple(cron.days))})
                    {join} extract(dow FROM {today} - n)::int = ANY ({numbers(tuple(cron.weekdays))}))
            ORDER BY n LIMIT 2
        ) days, unnest({numbers(cron.hours)}) h, unnest({numbers(cron.minutes)}) m
    ) times WHERE at <= now()) last
    """
