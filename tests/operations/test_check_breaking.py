"""Changes that break the running version of an app, found in how the schema differs."""

from collections.abc import Iterator

import pytest

from tests.migrator.conftest import Write
from trellis.operations.check import Servers, review_chain
from trellis.operations.databases import Sources


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The throw-away server of all tests here."""
    with Servers() as running:
        yield running


@pytest.mark.parametrize(
    ("before", "sql", "found"),
    [
        ("CREATE VIEW v AS SELECT 1 AS one", "DROP VIEW v", [("trellis-gone", 1)]),
        ("CREATE TABLE t (a int)", "DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$", [("trellis-gone", 1)]),
        ("CREATE TABLE t (a int); CREATE VIEW v AS TABLE t", "DROP TABLE t CASCADE", [("trellis-gone", None)]),
        ("CREATE TABLE t (a int, b int)", "DO $$BEGIN ALTER TABLE t DROP b; END$$", [("trellis-gone", 1)]),
        ("CREATE TYPE e AS ENUM ('a', 'b')", "ALTER TYPE e RENAME VALUE 'b' TO 'c'", [("trellis-gone", 1)]),
        ("CREATE SEQUENCE s", "SELECT 1;\nALTER SEQUENCE s RENAME TO z", [("trellis-gone", 2)]),
        (
            "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION f;\nCREATE FUNCTION f(a text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            [("trellis-other-signature", 2)],
        ),
        (
            "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION f;\nCREATE FUNCTION f(a int) RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
            [("trellis-other-signature", 2)],
        ),
        ("CREATE TABLE t (a int)", "DO $$BEGIN ALTER TABLE t ALTER a TYPE bigint; END$$", [("trellis-other-type", 1)]),
        (
            "CREATE TABLE t (a int)",
            "DO $$BEGIN ALTER TABLE t ALTER a SET NOT NULL; END$$",
            [("trellis-now-required", 1)],
        ),
        ("CREATE TABLE t (a int DEFAULT 1)", "ALTER TABLE t ALTER a DROP DEFAULT", [("trellis-default-gone", 1)]),
        ("CREATE TABLE t (a serial)", "ALTER TABLE t ALTER a DROP DEFAULT", [("trellis-default-gone", 1)]),
        ("CREATE TABLE t (a int); GRANT ALL ON t TO app", "REVOKE DELETE ON t FROM app", [("trellis-revoked", 1)]),
        ("CREATE TABLE t (a int)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY", [("trellis-row-security", 1)]),
        # Said already by a rule about the statement, or meant as it stands.
        ("CREATE TABLE t (a int, b int)", "ALTER TABLE t DROP b", []),
        ("CREATE TABLE t (a int)", "ALTER TABLE t ALTER a TYPE bigint", []),
        ("CREATE TABLE t (a int)", "ALTER TABLE t RENAME a TO b", []),
        ("CREATE VIEW v AS SELECT 1 AS one", "-- trellis-ignore trellis-gone\nDROP VIEW v", []),
        ("CREATE TABLE t (a int, b int)", "-- trellis-ignore ban-drop-column\nALTER TABLE t DROP b", []),
        # Nothing that breaks.
        ("CREATE TABLE t (a int)", "ALTER TABLE t ADD b serial; ALTER TABLE t ADD c int NOT NULL DEFAULT 1", []),
        ("CREATE VIEW v AS SELECT 1 AS one", "DROP VIEW v; CREATE VIEW v AS SELECT 2 AS one", []),
        ("SELECT 1", "CREATE TABLE t (a int NOT NULL); ALTER TABLE t ENABLE ROW LEVEL SECURITY", []),
        ("CREATE TABLE t (a int); GRANT SELECT ON t TO app", "-- trellis-ignore ban-drop-table\nDROP TABLE t", []),
    ],
)
def test_what_breaks_the_running_version(
    servers: Servers, write: Write, before: str, sql: str, found: list[tuple[str, int | None]]
) -> None:
    folder = write({"V1__A.sql": before, "V2__B.sql": sql})
    review = review_chain(
        Sources(name="villa-db/villa", database="villa", folder=folder, placeholders={"app": "app"}), "1", servers
    )
    assert review.shadow is not None
    assert review.shadow.complete, review.findings
    ours = [(one.rule, one.line) for one in review.findings if one.advice and one.advice.startswith("1. ")]
    assert ours == found
