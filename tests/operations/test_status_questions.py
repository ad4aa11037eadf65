"""Each question of `status`, asked of a real server on which it is to find something, and of one where nothing is."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.migrator.servers import PASSWORD, Database, PostgreSQL, server_folder
from tests.stacks.harness import wait_for
from tools import ROOT
from trellis import settings
from trellis.migrator import Target
from trellis.monitoring import exporter
from trellis.monitoring.exporter import told
from trellis.monitoring.findings import Finding, Severity
from trellis.monitoring.limits import LIMITS
from trellis.monitoring.questions import OF_A_CLUSTER, OF_A_DATABASE, Question
from trellis.operations.jobs import runs as runs_of_jobs
from trellis.operations.status import asking, judging
from trellis.operations.status.asking import ask_cluster
from trellis.operations.status.ways import Session, Way, session
from trellis.settings.cron import Cron
from trellis.settings.duties import Job
from trellis.settings.resolved import JobSettings

MANY = 1000

Words = tuple[str, ...]


def _way(database: Database) -> Way:
    return Way(cluster="db", kind="direct", name=database.name, target=Target(database.parameters()))


@pytest.fixture(scope="module", params=["17", "15"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    with server_folder() as folder:
        postgresql = PostgreSQL(folder, request.param)
        postgresql.start()
        try:
            yield postgresql
        finally:
            postgresql.stop()


def _asked(database: Database) -> dict[str, Finding]:
    where = f"db/{database.name}"
    with session(_way(database).target) as server:
        found = list(asking._found(server, where, OF_A_DATABASE, MANY))
        assert _told(server, OF_A_DATABASE, where) == {_words(one) for one in found}
    assert all("{" not in one.what + one.do for one in found)
    return {one.name: one for one in found}


def _words(one: Finding) -> Words:
    return one.name, one.severity.value, one.where, one.what, one.do


def _told(server: Session, questions: Sequence[Question], where: str, connections: int = MANY) -> set[Words]:
    """What the machine for monitoring is told by the same questions."""
    queries = [told(question, where, connections, vars(asking)["LIMITS"]) for question in questions]
    rows = [row for query in queries for row in server.execute(query.sql.encode()).fetchall()]
    assert all(row.pop("finding_told") == 1 for row in rows)
    return {tuple(row.values()) for row in rows}


@pytest.fixture
def app(database: Database) -> Iterator[str]:
    """A login that owns nothing."""
    database.run(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
    yield "app"
    database.run("DROP OWNED BY app", "DROP ROLE app")


@pytest.mark.parametrize("question", [*OF_A_CLUSTER, *OF_A_DATABASE], ids=lambda question: question.name)
def test_every_question_can_be_asked_and_a_quiet_server_has_nothing_to_say(
    question: Question, database: Database
) -> None:
    database.run("CREATE EXTENSION pg_stat_statements", "CREATE TABLE kept (id bigint PRIMARY KEY)")
    with session(_way(database).target) as server:
        assert asking._asked(server, question, MANY) == []
        assert _told(server, [question], "db") == set()


def test_statements_that_are_slow(database: Database, app: str) -> None:
    assert _asked(database)["no-statement-statistics"].severity is Severity.WARNING
    database.run("CREATE SCHEMA elsewhere", "CREATE EXTENSION pg_stat_statements SCHEMA elsewhere")
    assert _asked(database) == {}
    with database.connect(app) as connection:
        connection.execute("SELECT pg_sleep(1.05), 'somebody''s name'")
        connection.execute("SELECT max(n), pg_sleep(0) FROM generate_series(1, 10) n")
    slow = _asked(database)["slow-statement"]
    assert "1 calls of app took 10" in slow.what or "1 calls of app took 11" in slow.what
    assert "somebody" not in slow.what
    assert "EXPLAIN" in slow.do
    with database.connect(app) as connection:
        for _ in range(3):
            connection.execute("SELECT pg_sleep(0.01), 'x'")
    found = _asked(database)
    assert "slow-statement" not in found
    assert found["once-slow-statement"].severity is Severity.NOTE


def test_indexes_tables_and_rights(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LIMITS", replace(LIMITS, unused_days=0, unused_bytes=0))
    database.run(
        "CREATE EXTENSION pg_stat_statements",
        "CREATE TABLE people (id smallint GENERATED ALWAYS AS IDENTITY, name text, age int)",
        "INSERT INTO people (name, age) VALUES ('a', 1), ('a', 2)",
        "CREATE INDEX by_age ON people (age)",
        "CREATE INDEX by_age_again ON people (age)",
        "CREATE INDEX by_some_ages ON people (age) WHERE age > 1",
        "ALTER TABLE people ADD CONSTRAINT adult CHECK (age > 17) NOT VALID",
        "SELECT setval(pg_get_serial_sequence('people', 'id'), 30000)",
        "GRANT SELECT, INSERT ON people TO PUBLIC",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
    )
    with database.connect() as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY by_name ON people (name)")
    found = _asked(database)
    wanted = {
        "invalid-index": (Severity.WARNING, "public.by_name", "REINDEX INDEX CONCURRENTLY public.by_name"),
        "duplicate-index": (Severity.NOTE, "public.by_age_again", "DROP INDEX CONCURRENTLY public.by_age_again"),
        "no-primary-key": (Severity.NOTE, "public.people", "ADD PRIMARY KEY"),
        "unvalidated-constraint": (Severity.NOTE, "public.people", "VALIDATE CONSTRAINT adult"),
        "sequence": (Severity.WARNING, "public.people_id_seq", "BIGINT"),
        "open-table": (Severity.WARNING, "public.people", "REVOKE ALL ON public.people FROM PUBLIC"),
        "open-schema": (Severity.WARNING, "public", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    }
    for name, (severity, place, do) in wanted.items():
        assert found[name].severity is severity
        assert found[name].where == f"db/{database.name}, {place}"
        assert do in found[name].do
    assert found["unused-index"].severity is Severity.NOTE
    assert set(found) == {*wanted, "unused-index"}
    # What a finding advises is done, and it is gone.
    database.run(
        "DROP INDEX by_name",
        *(found[name].do.partition(",")[0] for name in ("duplicate-index", "open-schema", "open-table")),
    )
    assert not {"duplicate-index", "open-schema", "open-table", "invalid-index"} & set(_asked(database))


def test_dead_rows(database: Database) -> None:
    database.run(
        "CREATE EXTENSION pg_stat_statements",
        "CREATE TABLE log (id int PRIMARY KEY) WITH (autovacuum_enabled = off)",
        "INSERT INTO log SELECT generate_series(1, 30000)",
        "DELETE FROM log WHERE id <= 20000",
    )
    wait_for(lambda: "dead-rows" in _asked(database))
    found = _asked(database)["dead-rows"]
    assert found.what.startswith("20000 dead rows beside 10000")
    database.run(found.do.partition(";")[0])
    wait_for(lambda: "dead-rows" not in _asked(database))


def test_sessions_that_hold_others_up(database: Database, app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LIMITS", replace(LIMITS, long_transaction_s=0, waits_s=0, waits_long_s=0))
    database.run(
        "CREATE TABLE things (id int PRIMARY KEY)", "GRANT ALL ON things TO app", "INSERT INTO things VALUES (1)"
    )

    def found() -> Sequence[Finding]:
        return ask_cluster(_way(database), 2).findings

    def timeless(words: set[Words]) -> list[str]:
        # Between two questions some time may pass.
        return sorted(re.sub(r"\b\d+ (s|min)\b", "some time", str(one)) for one in words)

    with ExitStack() as held:
        holder, waiter = (held.enter_context(database.connect(app)) for _ in range(2))
        holder.execute("BEGIN")
        holder.execute("UPDATE things SET id = 2")
        waiting = threading.Thread(target=lambda: waiter.execute("UPDATE things SET id = 3"))
        waiting.start()
        held.callback(waiting.join)
        held.callback(holder.rollback)
        wait_for(lambda: "blocked" in {one.name for one in found()})
        seen = {one.name: one for one in found()}
        pid = holder.info.backend_pid
        assert f"that process {pid} of app holds (idle in transaction)" in seen["blocked"].what
        assert seen["blocked"].severity is Severity.CRITICAL
        assert seen["blocked"].do == f"SELECT pg_terminate_backend({pid})"
        assert "long-transaction" in seen
        with session(_way(database).target) as server:
            says = _told(server, OF_A_CLUSTER, "db", 2)
        assert timeless(says) == timeless({_words(one) for one in found()})
        # The two are all that this plan allows.
        assert (seen["connections"].severity, seen["connections"].what) == (
            Severity.CRITICAL,
            "2 of 2 connections are taken",
        )


def test_a_slot_that_nobody_reads_and_numbers_that_run_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LIMITS", replace(LIMITS, slot_bytes=0, transactions=-1))
    database.run("SELECT pg_create_physical_replication_slot('forgotten', true)", "CREATE TABLE x (id int)")
    try:
        found = {one.name: one for one in ask_cluster(_way(database), MANY).findings}
        with session(_way(database).target) as server:
            assert _words(found["slot"]) in _told(server, OF_A_CLUSTER, "db")
        assert "forgotten" in found["slot"].where
        assert "are not frozen" in found["wraparound"].what
    finally:
        database.run(found["slot"].do.partition(",")[0])


def test_a_query_that_takes_too_long_is_told_and_stops_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(OF_A_DATABASE[0], name="broken", sql="SELECT * FROM nowhere")
    endless = replace(OF_A_DATABASE[0], name="endless", sql="SELECT pg_sleep(60)")
    monkeypatch.setattr("trellis.operations.status.ways.QUERY_SECONDS", 1)
    with session(_way(database).target) as server:
        found = list(asking._found(server, "db", (broken, endless, OF_A_DATABASE[0]), MANY))
    assert [one.name for one in found] == ["not-known", "not-known", "no-statement-statistics"]
    assert 'relation "nowhere" does not exist' in found[0].what
    assert "statement timeout" in found[1].what


def test_nothing_can_be_written(database: Database) -> None:
    with session(_way(database).target) as server, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        server.execute("CREATE TABLE written ()")


@pytest.mark.parametrize(
    "text",
    ["10 3 * * *", "20 3 1 * *", "0 0 29 2 *", "*/5 * * * *", "59 23 31 12 *", "0 12 13 * 5", "7 */6 * 1-3,11 1-5"],
)
def test_the_time_of_a_cron_line(text: str, database: Database) -> None:
    with database.connect() as connection:
        query = f"SELECT now() AT TIME ZONE 'UTC', due AT TIME ZONE 'UTC' FROM {exporter._due(Cron.read(text))}"
        ((now, due),) = connection.execute(query.encode()).fetchall()
    assert due.replace(tzinfo=UTC) == Cron.read(text).before(now.replace(tzinfo=UTC))


# What the runs of a job were (of which time, in hours before now; how it ended; its message) -> what is found.
RUNS: list[tuple[list[tuple[float, bool | None, str]], str | None]] = [
    ([], "job-missed"),
    ([(1000, True, "")], "job-missed"),
    ([(1000, True, ""), (0, False, "it's wrong:\nDETAIL: a row")], "job-failed"),
    ([(1000, True, ""), (0, None, "")], None),
    ([(1000, True, ""), (4, None, "")], "job-failed"),
    ([(0, False, "wrong"), (0, True, "")], None),
    ([(0, True, "")], None),
]


@pytest.mark.parametrize(("runs", "wanted"), RUNS)
def test_jobs(runs: Sequence[tuple[float, bool | None, str]], wanted: str | None, database: Database) -> None:
    # Due half a day ago: a schedule with a day would be due just now on some day.
    cron = f"{datetime.now(UTC) - timedelta(hours=12):%M %H} * * *"
    asked = Job.model_validate({"description": "x", "cron": cron, "sql": "SELECT", "database": "main.shop"})
    job = JobSettings(name="tidy", job=asked, cluster="db", pool=None, database="shop", tell=())
    stack: Any = SimpleNamespace(
        name="prod", made=datetime(2020, 1, 1, tzinfo=UTC), settings=SimpleNamespace(production=True)
    )
    queries = list(exporter._of_jobs([job], stack.settings, stack.name))
    with session(_way(database).target) as server:
        rows = [_found_by(server, query) for query in queries]
    assert [len(found) for found in rows] == [0, 1, 1]
    with database.connect() as connection:
        runs_of_jobs.prepare(connection)
        for hours, ok, message in runs:
            ended = None if ok is None else datetime.now(UTC)
            at = datetime.now(UTC) - timedelta(hours=hours)
            connection.execute(
                "INSERT INTO trellis.job_runs (job, due_at, started_at, finished_at, ok, message)"
                " VALUES ('tidy', %s, %s, %s, %s, %s)",
                (Cron.read(asked.cron).before(at), at, ended, ok, message),
            )
        known = runs_of_jobs.newest(connection).get("tidy", ())
    found = list(judging._job(stack, job, known, datetime.now(UTC)))
    with session(_way(database).target) as server:
        failed, missed, (figures,) = (_found_by(server, query) for query in queries)
    told = {tuple(row.values())[:5] for row in (*failed, *missed)}
    assert told == {(*_words(one)[:3], one.what.partition("\n")[0], one.do) for one in found}
    assert [one.name for one in found] == ([wanted] if wanted else [])
    good = [one.started_at for one in known if one.ok]
    assert figures["job_succeeded_timestamp_seconds"] == pytest.approx(good[-1].timestamp() if good else 0)
    assert figures["job_ok"] == (not known or known[-1].ok is not False)


def _found_by(server: Session, query: exporter.Query) -> Sequence[dict[str, Any]]:
    """What a query gives: as the machine's program has it, with columns that it names."""
    text = query.sql.replace(exporter.SINCE, "2020-01-01T00:00:00Z")
    rows = server.execute(text.encode()).fetchall()
    assert all(set(row) == {*query.labels, *query.values} for row in rows)
    assert all(isinstance(row[label], str) for row in rows for label in query.labels)
    return rows


@pytest.mark.parametrize("system", ["villa", "tudao", "capsule", "freshtrack", "audifi"])
def test_what_a_machine_asks_of_each_system(system: str, database: Database) -> None:
    config = {"trellis:system": system, "trellis:environment": "development"}
    config |= {"trellis:mode": "self-hosted"} if system == "freshtrack" else {"trellis:phase": "scale"}
    chosen = settings.load(config, ROOT, stack="prod")
    with session(_way(database).target) as server:
        for place in exporter.places(chosen, "prod"):
            made = place.to_dict("postgresql://doadmin:x@db:25060/x?sslmode=verify-full")
            names = [query["name"] for query in made["queries"]]
            assert len({re.sub("[^a-zA-Z0-9_:]", "", name) for name in names}) == len(names)
            (uri,) = made["connections"]
            assert uri.startswith("postgres://doadmin:x@db:25060/x?sslmode=verify-full&sslrootcert=/etc/trellis/")
            for query in place.queries:
                if query.name.startswith("check "):
                    assert query.sql.startswith("SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout")
                elif query.name != "server":
                    _found_by(server, query)
