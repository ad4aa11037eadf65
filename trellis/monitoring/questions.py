"""What is asked of every server and database: a table of queries, each with what its answer means.

A new finding is one more entry. The queries run read-only, as the administrator, who belongs to pg_monitor, with
pg_catalog alone in the search path. What a statement under way says is not shown: it may hold somebody's data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from trellis.monitoring.findings import Severity


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query with a row for everything that is found.

    what, do: sentences that the row's columns are put into. A column `place` is added to where it was found; one
    `critical` that is true makes the finding critical. extension: without which it is not asked; `{extension}` in the
    query is its schema. parameters: those of `Limits`, and `connections`, which the plan allows.
    """

    name: str
    sql: str
    what: str
    do: str
    severity: Severity = Severity.WARNING
    extension: str | None = None


# What is to be done, where several places find the same.
STORAGE_FULL = "Take the next trellis:phase, or archive old rows"
POOL_FULL = "Shorten transactions, give the pool a larger `size`, or take the next trellis:phase"
FOLLOWS_LATE = "End long queries on it; where it does not come up, take a larger trellis:phase"

# Of a namespace n: neither the server's own nor a session's.
_OURS = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
_NO_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
_STATEMENTS = """
SELECT left(regexp_replace(s.query, '[[:space:][:cntrl:]]+', ' ', 'g'), 160) AS statement, s.calls, r.rolname AS login,
    round(s.mean_exec_time)::bigint AS mean, round(s.max_exec_time)::bigint AS slowest,
    round(s.total_exec_time)::bigint AS total
FROM {extension}.pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND NOT r.rolsuper AND r.rolname <> current_user
"""

TOP_STATEMENTS = Question(
    name="top-statements",
    sql=f"{_STATEMENTS} ORDER BY s.total_exec_time DESC LIMIT 5",
    extension="pg_stat_statements",
    what="",
    do="",
)

OF_A_CLUSTER: tuple[Question, ...] = (
    Question(
        name="connections",
        sql="""
        SELECT count(*) AS used, %(connections)s::int AS allowed,
            count(*) >= %(connections)s * %(very_full)s AS critical
        FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
        WHERE a.backend_type = 'client backend' AND NOT r.rolsuper
        HAVING count(*) >= %(connections)s * %(full)s
        """,
        what="{used} of {allowed} connections are taken",
        do="Close direct clients, or take the next trellis:phase. Who they are: SELECT usename, application_name, "
        "client_addr, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3",
    ),
    Question(
        name="long-transaction",
        sql="""
        SELECT datname || ', process ' || pid AS place, pid, usename AS login, coalesce(state, 'active') AS state,
            round(extract(epoch FROM now() - xact_start) / 60)::bigint AS minutes,
            xact_start < now() - make_interval(secs => %(very_long_transaction_s)s) AS critical
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
            AND xact_start < now() - make_interval(secs => %(long_transaction_s)s)
        ORDER BY xact_start LIMIT 20
        """,
        what="a transaction of {login} has been open for {minutes} min ({state}); it keeps dead rows and locks",
        do="SELECT pg_terminate_backend({pid})",
    ),
    Question(
        name="blocked",
        sql="""
        SELECT w.datname || ', process ' || w.pid AS place, w.usename AS login, h.pid AS holder,
            h.usename AS holder_login, coalesce(h.state, 'active') AS holder_state,
            round(extract(epoch FROM now() - w.query_start))::bigint AS seconds,
            w.query_start < now() - make_interval(secs => %(waits_long_s)s) AS critical
        FROM pg_stat_activity w, LATERAL unnest(pg_blocking_pids(w.pid)) AS by (pid)
            JOIN pg_stat_activity h ON h.pid = by.pid
        WHERE w.wait_event_type = 'Lock' AND w.query_start < now() - make_interval(secs => %(waits_s)s)
        ORDER BY w.query_start LIMIT 20
        """,
        what="{login} has been waiting {seconds} s for a lock that process {holder} of {holder_login} holds "
        "({holder_state})",
        do="SELECT pg_terminate_backend({holder})",
    ),
    Question(
        name="prepared-transaction",
        sql="""
        SELECT database || ', ' || gid AS place, gid,
            round(extract(epoch FROM now() - prepared) / 60)::bigint AS minutes
        FROM pg_prepared_xacts WHERE prepared < now() - make_interval(secs => %(long_transaction_s)s)
        """,
        what="a prepared transaction has been waiting for {minutes} min; it holds its locks for ever",
        do="ROLLBACK PREPARED '{gid}', or COMMIT PREPARED",
    ),
    Question(
        name="wraparound",
        sql="""
        SELECT datname AS place, greatest(age(datfrozenxid), mxid_age(datminmxid)) AS transactions,
            greatest(age(datfrozenxid), mxid_age(datminmxid)) > %(many_transactions)s AS critical
        FROM pg_database
        WHERE datallowconn AND greatest(age(datfrozenxid), mxid_age(datminmxid)) > %(transactions)s
        """,
        what="{transactions} transactions are not frozen; at 2.1 billion the server refuses writes",
        do="End long transactions, then: VACUUM (FREEZE) in {place}",
    ),
    Question(
        name="archive",
        sql="""
        SELECT to_char(last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS failed, failed_count AS times
        FROM pg_stat_archiver
        WHERE current_setting('archive_mode') <> 'off'
            AND last_failed_time > coalesce(last_archived_time, '-infinity')
        """,
        severity=Severity.CRITICAL,
        what="the write-ahead log has not been archived since {failed} UTC ({times} failures): no restore reaches "
        "beyond that, and the disk fills",
        do="A managed cluster: tell DigitalOcean's support. Your own server: read its log",
    ),
    Question(
        name="slot",
        sql="""
        SELECT slot_name AS place, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS kept
        FROM pg_replication_slots
        WHERE NOT active AND pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > %(slot_bytes)s
        """,
        what="nobody reads this replication slot, and {kept} of the write-ahead log are kept for it",
        do="SELECT pg_drop_replication_slot('{place}'), unless a move is under way: trellis move status",
    ),
    Question(
        name="standby-lag",
        sql="""
        SELECT application_name AS place, coalesce(round(extract(epoch FROM replay_lag)), 0)::bigint AS seconds,
            pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) AS bytes
        FROM pg_stat_replication
        WHERE replay_lag > make_interval(secs => %(lag_s)s)
            OR pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) > %(lag_bytes)s
        """,
        what="this follower is {seconds} s and {bytes} behind",
        do=FOLLOWS_LATE,
    ),
)

OF_A_DATABASE: tuple[Question, ...] = (
    Question(
        name="no-statement-statistics",
        sql="SELECT WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')",
        what="pg_stat_statements is not installed here, so slow statements cannot be told",
        do="A migration with: CREATE EXTENSION IF NOT EXISTS pg_stat_statements; where self-hosted, the Droplet built "
        "again (docs/self-hosted.md)",
    ),
    Question(
        name="slow-statement",
        sql=f"{_STATEMENTS} AND s.mean_exec_time > %(slow_ms)s ORDER BY s.total_exec_time DESC LIMIT 10",
        extension="pg_stat_statements",
        what="{calls} calls of {login} took {mean} ms on average, {slowest} at most: {statement}",
        do="EXPLAIN (ANALYZE, BUFFERS) it, and give it an index in a migration",
    ),
    Question(
        name="once-slow-statement",
        sql=f"""{_STATEMENTS} AND s.mean_exec_time <= %(slow_ms)s AND s.max_exec_time > %(slow_ms)s
        ORDER BY s.max_exec_time DESC LIMIT 10""",
        extension="pg_stat_statements",
        severity=Severity.NOTE,
        what="{calls} calls of {login} took {mean} ms on average, but {slowest} at most: {statement}",
        do="Nothing, where it was one cold start or one lock; else EXPLAIN (ANALYZE, BUFFERS) it",
    ),
    Question(
        name="invalid-index",
        sql="""
        SELECT i.indexrelid::regclass::text AS place FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid AND c.relkind = 'i'
            AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
        LIMIT 20
        """,
        what="this index is invalid: it costs every write, and no query uses it",
        do="REINDEX INDEX CONCURRENTLY {place}",
    ),
    Question(
        name="unused-index",
        sql="""
        SELECT s.indexrelid::regclass::text AS place, pg_size_pretty(pg_relation_size(s.indexrelid)) AS size,
            current_date - coalesce(b.stats_reset, pg_postmaster_start_time())::date AS days
        FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
            JOIN pg_stat_database b ON b.datname = current_database()
        WHERE s.idx_scan = 0 AND NOT i.indisunique AND NOT i.indisreplident
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = s.indexrelid)
            AND pg_relation_size(s.indexrelid) >= %(unused_bytes)s
            AND coalesce(b.stats_reset, pg_postmaster_start_time()) <= now() - make_interval(days => %(unused_days)s)
        ORDER BY pg_relation_size(s.indexrelid) DESC LIMIT 20
        """,
        severity=Severity.NOTE,
        what="no query of this server has used it for {days} days; it takes {size}",
        do="DROP INDEX CONCURRENTLY {place}, in a migration, where no replica uses it either",
    ),
    Question(
        name="duplicate-index",
        sql=f"""
        WITH keyed AS (
            SELECT i.indexrelid, i.indrelid, i.indisunique,
                EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS bound,
                concat_ws('|', c.relam, i.indkey, i.indclass, i.indcollation, i.indoption,
                    pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)) AS key
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE i.indisvalid AND NOT c.relispartition AND {_OURS}
        )
        SELECT d.indexrelid::regclass::text AS place, min(k.indexrelid::regclass::text) AS same
        FROM keyed d JOIN keyed k ON (k.indrelid, k.key) = (d.indrelid, d.key) AND k.indexrelid <> d.indexrelid
        WHERE NOT d.bound AND NOT d.indisunique AND (k.bound OR k.indisunique OR k.indexrelid < d.indexrelid)
        GROUP BY d.indexrelid LIMIT 20
        """,  # noqa: S608
        severity=Severity.NOTE,
        what="this index repeats {same}",
        do="DROP INDEX CONCURRENTLY {place}, in a migration",
    ),
    Question(
        name="no-primary-key",
        sql=f"""
        SELECT c.oid::regclass::text AS place FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
            AND {_OURS} AND {_NO_EXTENSION}
            AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        LIMIT 20
        """,  # noqa: S608
        severity=Severity.NOTE,
        what="this table has no primary key: a row cannot be named, and a move cannot send its changes",
        do="ALTER TABLE {place} ADD PRIMARY KEY (…), in a migration",
    ),
    Question(
        name="unvalidated-constraint",
        sql=f"""
        SELECT c.oid::regclass::text AS place, k.conname AS name FROM pg_constraint k
            JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT k.convalidated AND {_OURS} LIMIT 20
        """,  # noqa: S608
        severity=Severity.NOTE,
        what="the constraint {name} is not valid for rows that were there before it",
        do="ALTER TABLE {place} VALIDATE CONSTRAINT {name}, in a migration",
    ),
    Question(
        name="dead-rows",
        sql="""
        SELECT relid::regclass::text AS place, n_dead_tup AS dead, n_live_tup AS live
        FROM pg_stat_user_tables
        WHERE n_dead_tup > %(dead_rows)s AND n_dead_tup > n_live_tup * %(dead_share)s
        ORDER BY n_dead_tup DESC LIMIT 20
        """,
        what="{dead} dead rows beside {live}: autovacuum does not come up",
        do="VACUUM (ANALYZE) {place}; a long transaction keeps it from its work",
    ),
    Question(
        name="sequence",
        sql="""
        SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) AS place,
            floor(100 * last_value / max_value)::int AS percent, last_value > 0.95 * max_value AS critical
        FROM pg_sequences WHERE increment_by > 0 AND NOT cycle AND last_value > %(used_up)s * max_value LIMIT 20
        """,
        what="{percent} % of this sequence's numbers are given",
        do="A migration that makes the column and its sequence BIGINT",
    ),
    Question(
        name="open-schema",
        sql=f"""
        SELECT n.nspname AS place FROM pg_namespace n,
            LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
        WHERE a.grantee = 0 AND a.privilege_type = 'CREATE' AND {_OURS}
        """,  # noqa: S608
        what="every login may create in this schema",
        do="REVOKE CREATE ON SCHEMA {place} FROM PUBLIC, in a migration",
    ),
    Question(
        name="open-table",
        sql=f"""
        SELECT c.oid::regclass::text AS place, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL aclexplode(c.relacl) a
        WHERE a.grantee = 0 AND c.relkind IN ('r', 'p', 'f', 'm', 'v') AND {_OURS} AND {_NO_EXTENSION}
        GROUP BY c.oid LIMIT 20
        """,  # noqa: S608
        what="every login has {rights} on it",
        do="REVOKE ALL ON {place} FROM PUBLIC, in a migration",
    ),
)

# Databases and their sizes in bytes.
SIZES = """
SELECT datname AS name, pg_database_size(oid) AS bytes FROM pg_database
WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
"""

# What is to be done where a self-hosted server says that a part of its own work failed.
OF_THE_MACHINE: Mapping[str, str] = {
    "synchronisation": "journalctl -u trellis-sync, there",
    "dump": "journalctl -u trellis-dump, there",
    "storage": "Restart the Droplet: what cannot grow while it is in use grows before it is mounted",
}

# Of a job its newest run and the newest that went well; the message's first line.
RUNS = """
SELECT DISTINCT ON (ok IS TRUE) id, due_at, started_at, ok,
    regexp_replace(split_part(message, E'\\n', 1), '[[:cntrl:]]+', ' ', 'g') AS message
FROM trellis.job_runs WHERE job = %(job)s ORDER BY ok IS TRUE, id DESC
"""
KILLED = "it was killed, or lost its server"
# A scheduled workflow runs hourly, and GitHub is late at times.
JOB_GRACE = timedelta(hours=2)
