"""What statements may do to the transaction they run in."""

import pytest

from trellis.migrator.sql.splitter import split
from trellis.migrator.sql.statements import (
    IndexBuild,
    NonTransactional,
    index_build,
    may_commit,
    non_transactional_kind,
    refusal,
    sets_session,
)


def head(sql: str) -> tuple[str, ...]:
    (statement,) = split(sql)
    return statement.head


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", NonTransactional.CREATE_INDEX),
        ("create unique index concurrently if not exists i on t (a)", NonTransactional.CREATE_INDEX),
        ("/* x */ CREATE /* y */ INDEX -- z\n CONCURRENTLY i ON t (a)", NonTransactional.CREATE_INDEX),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", NonTransactional.DROP_INDEX),
        ("REINDEX TABLE CONCURRENTLY t", NonTransactional.REINDEX),
        ("REINDEX (VERBOSE, CONCURRENTLY) INDEX i", NonTransactional.REINDEX),
        ("REINDEX (TABLESPACE x) SCHEMA public", NonTransactional.REINDEX),
        ("ALTER TABLE IF EXISTS s.t DETACH PARTITION s.p CONCURRENTLY;", NonTransactional.DETACH_PARTITION),
        ("VACUUM (FULL) t", NonTransactional.REPEATABLE),
        ("CLUSTER", NonTransactional.REPEATABLE),
        ("CLUSTER VERBOSE", NonTransactional.REPEATABLE),
        ("ALTER SYSTEM SET work_mem = '8MB'", NonTransactional.REPEATABLE),
        ("ALTER DATABASE d SET TABLESPACE x", NonTransactional.REPEATABLE),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", NonTransactional.REPEATABLE),
        ("ALTER SUBSCRIPTION s SET PUBLICATION a, b WITH (copy_data = false)", NonTransactional.REPEATABLE),
        ("ALTER SUBSCRIPTION s ADD PUBLICATION c", NonTransactional.REPEATABLE),
        ("CREATE DATABASE d", NonTransactional.CREATE_DATABASE),
        ("DROP DATABASE IF EXISTS d", NonTransactional.DROP_DATABASE),
        ("CREATE TABLESPACE x LOCATION '/x'", NonTransactional.CREATE_OBJECT),
        ("DROP SUBSCRIPTION s", NonTransactional.DROP_OBJECT),
        ("CREATE INDEX i ON t (concurrently)", None),
        ("CREATE INDEX concurrently_named ON t (a)", None),
        ("CREATE TABLE database (a int)", None),
        ("REINDEX TABLE t", None),
        ("CLUSTER t USING i", None),
        ("ALTER TABLE t DETACH PARTITION p", None),
        ("ALTER DATABASE d SET work_mem = '8MB'", None),
        ("ALTER TYPE mood ADD VALUE 'calm'", None),
        ("SELECT 'VACUUM'", None),
        ("COMMENT ON TABLE t IS 'CREATE INDEX CONCURRENTLY'", None),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'VACUUM'", None),
    ],
)
def test_what_runs_outside_a_transaction(sql: str, kind: NonTransactional | None) -> None:
    assert non_transactional_kind(head(sql)) is kind


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "begin work",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ROLLBACK WORK",
        "ABORT",
        "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
        "DISCARD ALL",
        "SELECT pg_catalog.pg_advisory_unlock_all()",
        "DO $$ BEGIN PERFORM PG_ADVISORY_UNLOCK_ALL(); END $$",
        "SET standard_conforming_strings = off",
        "SET LOCAL standard_conforming_strings TO 'off'",
    ],
)
def test_what_has_no_place_in_a_migration(sql: str) -> None:
    reason = refusal(head(sql), sql)
    assert reason is not None
    assert "migration" in reason


@pytest.mark.parametrize(
    "sql",
    [
        "SAVEPOINT s",
        "RELEASE s",
        "ROLLBACK TO s",
        "ROLLBACK WORK TO SAVEPOINT s",
        "PREPARE q AS SELECT 1",
        "DISCARD PLANS",
        "SELECT 'pg_advisory_unlock_all()' /* pg_advisory_unlock_all() */",
        "SELECT pg_advisory_unlock(7)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()'",
        "SET standard_conforming_strings = on",
        "SET search_path TO x",
        "COMMENT ON TABLE t IS 'COMMIT'",
        "DO $$ BEGIN COMMIT; END $$",
    ],
)
def test_what_has(sql: str) -> None:
    assert refusal(head(sql), sql) is None


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", IndexBuild("I", "T")),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "My i" ON ONLY "S".t (a)', IndexBuild('"My i"', '"S".T')),
        ("CREATE INDEX CONCURRENTLY i ON s.t USING gin (a)", IndexBuild("I", "S.T")),
        ("CREATE INDEX CONCURRENTLY ON t (a)", None),
    ],
)
def test_name_and_table_of_an_index(sql: str, found: IndexBuild | None) -> None:
    assert index_build(head(sql)) == found


def test_settings_that_outlive_a_transaction() -> None:
    assert sets_session(head("SET ROLE x"))
    assert sets_session(head("RESET ALL"))
    assert not sets_session(head("SET LOCAL work_mem = 1"))
    assert not sets_session(head("SET TRANSACTION READ ONLY"))
    assert may_commit(head("CALL p()"))
    assert not may_commit(head("SELECT p()"))
