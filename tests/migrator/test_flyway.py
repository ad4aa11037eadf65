"""Side by side with the real Flyway: same rows, and either goes on where the other stopped."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import ADMIN, PASSWORD, Database, PostgreSQL
from tests.migrator.test_legacy import COPY
from trellis.development.bring import cache_folder
from trellis.migrator import MigrationError, Options, Target, baseline, info, migrate, repair, validate

pytestmark = pytest.mark.flyway

HERE = Path(__file__).parent / "flyway"
VILLA = Path(__file__).parents[2] / "migrations" / "villa" / "villa"
VERSION = "13.0.0"

Flyway = Callable[..., subprocess.CompletedProcess[str]]
Placeholders = Mapping[str, str]

BOM = "\ufeff"
EDGE_FILES: Mapping[str, str] = {
    "V1__lf.sql": "SELECT 1;\nSELECT 2;\n",
    "V2__crlf.sql": "SELECT 1;\r\nSELECT 2;\r\n",
    "V3__cr.sql": "SELECT 1;\rSELECT 2;\r",
    "V4__bom.sql": BOM + "SELECT 1;\n",
    "V5__separators.sql": "/* a\u2028b \x0b \x0c \x85 */ SELECT 1;\n",
    "V6__emoji.sql": "SELECT '\U0001f600';\n\n\n",
    "V7__empty.sql": "",
    "V8__blank.sql": "\n\n",
    "V9__comment.sql": "-- nothing else",
    "V10.2.0__zeros.sql": "SELECT 10;",
    "V011__leading.sql": "SELECT 11;",
    "V12_1__underscore.sql": "SELECT 12;",
    "V13.sql": "SELECT 13;",
    "V14__.sql": "SELECT 14;",
    "V15__a__b_c.sql": "SELECT 15;",
    f"V16__{'d' * 205}.sql": "SELECT 16;",
    "sub/folder/V17__Below.sql": "SELECT 17;",
    "V18__function.sql": "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
    "V19__dollars.sql": "DO $x$ BEGIN PERFORM ';'; END $x$; CREATE TABLE t (a int DEFAULT 1, b text);",
    "R__B_view.sql": "CREATE OR REPLACE VIEW v AS SELECT ${Who}::text AS who;\n",
    "R__a_view.sql": BOM + "SELECT '${flyway:defaultSchema} ${flyway:user} ${flyway:table} ${flyway:filename}';\r\n",
    "R__Z.sql": "SELECT 'z';",
    "sub/R__emoji\U0001f600.sql": "SELECT 1;${EMPTY}",
}
VALUES = {"who": "'me'", "empty": ""}


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flyway's jars, fetched by Maven once and kept in the cache, where this account may write there."""
    writable = os.access(cache_folder(), os.W_OK)
    kept = cache_folder() / "flyway" / VERSION
    folder = kept if writable or kept.exists() else tmp_path_factory.mktemp("flyway")
    if not (folder / f"flyway-core-{VERSION}.jar").exists():
        subprocess.run(
            ["mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={folder}"],
            check=True,
            stdin=subprocess.DEVNULL,
        )
    return folder


@pytest.fixture
def flyway(libraries: Path) -> Flyway:
    """Runs Flyway commands on a database."""

    def run(database: Database, folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        url = f"jdbc:postgresql://127.0.0.1:{database.server.port}/{database.name}"
        done = subprocess.run(
            ["java", "-cp", f"{libraries}/*", HERE / "RunFlyway.java", url, ADMIN, PASSWORD, folder, *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def other(server: PostgreSQL, database: Database) -> Iterator[Database]:
    """A second empty database."""
    twin = Database(server, f"{database.name}_other")
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {twin.name} TEMPLATE template0")
    yield twin
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {twin.name} WITH (FORCE)")


def rows(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT installed_rank, version, description, type, script, checksum, installed_by, success"
        " FROM flyway_schema_history ORDER BY installed_rank"
    )


def target(database: Database) -> Target:
    return Target(database.parameters())


def pairs(values: Placeholders) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def test_edge_files_give_the_same_rows(database: Database, other: Database, write: Write, flyway: Flyway) -> None:
    folder = write(EDGE_FILES)
    flyway(database, folder, "migrate", *pairs(VALUES))
    assert len(migrate(target(other), folder, VALUES).applied) == len(EDGE_FILES)
    assert rows(other) == rows(database)
    assert other.snapshot() == database.snapshot()
    assert "valid" in flyway(other, folder, "validate", *pairs(VALUES)).stdout
    assert validate(target(database), folder, VALUES) == ()
    assert migrate(target(database), folder, VALUES).applied == ()


def test_legacy_files_give_the_same(database: Database, other: Database, write: Write, flyway: Flyway) -> None:
    """Transactions and COPY rows of their own, names without a prefix, and a file that is no migration."""
    folder = write(
        {
            "1__wrapped.sql": "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\nCOMMIT;\n",
            "1.1__several.sql": "BEGIN; CREATE TABLE b (id int); COMMIT; BEGIN; INSERT INTO b VALUES (1); ROLLBACK;"
            " INSERT INTO b VALUES (2);",
            "2__copy.sql": COPY,
            "3__plain.sql": "CREATE TABLE d (id int);",
            "R__wrapped.sql": "START TRANSACTION; INSERT INTO d VALUES (1); END;",
            "notes.sql": "nothing",
        }
    )
    prefix = "flyway.sqlMigrationPrefix="
    flyway(database, folder, "migrate", prefix, *pairs(VALUES))
    legacy = ["1__wrapped.sql", "1.1__several.sql", "2__copy.sql", "R__wrapped.sql"]
    write({"migrations.conf": "prefix=\nignore=notes.sql\n" + "".join(f"legacy={script}\n" for script in legacy)})
    assert len(migrate(target(other), folder, VALUES).applied) == 5
    assert rows(other) == rows(database)
    assert other.snapshot() == database.snapshot()
    for table in "abcd":
        assert other.rows(f"SELECT * FROM {table}") == database.rows(f"SELECT * FROM {table}")
    assert "valid" in flyway(other, folder, "validate", prefix, *pairs(VALUES)).stdout
    assert validate(target(database), folder, VALUES) == ()
    assert migrate(target(database), folder, VALUES).applied == ()


def test_each_goes_on_where_the_other_stopped(database: Database, write: Write, flyway: Flyway) -> None:
    folder = write({"B2__all.sql": "CREATE TABLE t2 (a int);", "V1__x.sql": "SELECT 1/0;", "V2__x.sql": "SELECT 1/0;"})
    migrate(target(database), folder, {})
    assert [row[1:4] for row in rows(database)] == [("2", "all", "SQL_BASELINE")]
    write({"V3__y.sql": "CREATE TABLE t3 (a int);", "R__v.sql": "CREATE OR REPLACE VIEW v AS SELECT 1 AS a;"})
    assert (
        "applied 2"
        in flyway(database, folder, "validate", "migrate", "flyway.ignoreMigrationPatterns=*:pending").stdout
    )
    write({"V4__z.sql": "CREATE TABLE t4 (a int);", "R__v.sql": "CREATE OR REPLACE VIEW v AS SELECT 2 AS a;"})
    assert [done.script for done in migrate(target(database), folder, {}).applied] == ["V4__z.sql", "R__v.sql"]
    write({"V5__z.sql": "CREATE TABLE t5 (a int);"})
    assert "applied 1" in flyway(database, folder, "migrate", "validate").stdout
    assert [row[0] for row in rows(database)] == [1, 2, 3, 4, 5, 6]
    assert migrate(target(database), folder, {}).current_version == "5"


def test_villa_by_either(database: Database, other: Database, flyway: Flyway) -> None:
    database.run("DROP ROLE IF EXISTS villa_by_either", "CREATE ROLE villa_by_either")
    values = {"app_role": "villa_by_either"}
    flyway(database, VILLA, "migrate", *pairs(values))
    migrate(target(other), VILLA, values)
    # The grants name the database, and a repeatable's checksum is that of the text with names put in.
    without_checksum = [[row[:5] for row in rows(one)] for one in (database, other)]
    assert without_checksum[0] == without_checksum[1]
    snapshots = [{**one.snapshot(), "history": []} for one in (database, other)]
    assert snapshots[0] == snapshots[1]
    assert "valid" in flyway(other, VILLA, "validate", *pairs(values)).stdout
    assert migrate(target(database), VILLA, values).applied == ()
    for one in (database, other):
        one.run("DROP OWNED BY villa_by_either")
    database.run("DROP ROLE villa_by_either")


def test_baseline_and_repair_by_either(database: Database, other: Database, write: Write, flyway: Flyway) -> None:
    folder = write({f"V{n}__t.sql": f"CREATE TABLE t{n} (a int);" for n in range(1, 6)} | {"R__v.sql": "SELECT ${w};"})
    for one in (database, other):
        one.run("CREATE TABLE old (a int)")
    flyway(database, folder, "baseline", "migrate", "flyway.baselineVersion=2", "w=1")
    baseline(target(other), "2")
    baseline(target(other), "2")
    migrate(target(other), folder, {"w": "1"})
    assert rows(other) == rows(database)

    (folder / "V4__t.sql").unlink()
    (folder / "V3__t.sql").rename(folder / "V3__renamed.sql")
    write({"V5__t.sql": "-- changed\nCREATE TABLE t5 (a int);"})
    for one in (database, other):
        one.run(
            "INSERT INTO flyway_schema_history VALUES (6, '6', 'f', 'SQL', 'V6__f.sql', 1, 'me', now(), 5, false)",
        )
    with pytest.raises(MigrationError):
        migrate(target(other), folder, {"w": "1"})
    assert len(validate(target(other), folder, {"w": "1"})) == 4
    flyway(database, folder, "repair", "w=1")
    report = repair(target(other), folder, {"w": "1"})
    assert report.to_dict() == {
        "removed": ["V6__f.sql"],
        "deleted": ["V4__t.sql"],
        "aligned": ["V3__t.sql", "V5__t.sql"],
    }
    assert rows(other) == rows(database)
    assert "valid" in flyway(other, folder, "validate", "w=1").stdout
    assert migrate(target(database), folder, {"w": "1"}).applied == ()
    assert repair(target(other), folder, {"w": "1"}).to_dict() == {"removed": [], "deleted": [], "aligned": []}

    write({"V4__t.sql": "CREATE TABLE IF NOT EXISTS t4 (a int);"})
    with pytest.raises(MigrationError, match="is below version 5"):
        migrate(target(other), folder, {"w": "1"})
    assert len(migrate(target(other), folder, {"w": "1"}, Options(out_of_order=True)).applied) == 1
    assert "applied 1" in flyway(database, folder, "migrate", "flyway.outOfOrder=true", "w=1").stdout
    assert rows(other) == rows(database)
    states = [(line.version, line.state) for line in info(target(other), folder, {"w": "1"})]
    assert states == [
        ("2", "baseline"),
        ("3", "applied"),
        ("4", "deleted"),
        ("5", "applied"),
        (None, "applied"),
        ("4", "delete mark"),
        ("4", "out of order"),
        ("1", "below baseline"),
        ("2", "below baseline"),
    ]


def test_failed_and_interrupted_rows(database: Database, other: Database, write: Write, flyway: Flyway) -> None:
    folder = write(
        {
            "V1__t.sql": "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1);",
            "V2__i.sql": "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);",
        }
    )
    # With its transactional lock Flyway waits for itself here.
    assert flyway(database, folder, "migrate", "flyway.postgresql.transactional.lock=false", check=False).returncode
    with pytest.raises(MigrationError):
        migrate(target(other), folder, {})
    assert rows(other) == rows(database)
    with pytest.raises(MigrationError, match="not how far it came"):
        migrate(target(database), folder, {})
    assert "failed migration" in flyway(other, folder, "validate", check=False).stderr
    other.run("DELETE FROM t")
    assert migrate(target(other), folder, {}).current_version == "2"
    assert "valid" in flyway(other, folder, "validate").stdout


def test_they_wait_for_each_other(database: Database, write: Write, libraries: Path) -> None:
    folder = write({"V1__t.sql": "CREATE TABLE t (a int); SELECT pg_sleep(2);", "V2__u.sql": "CREATE TABLE u (a int);"})
    url = f"jdbc:postgresql://127.0.0.1:{database.server.port}/{database.name}"
    running = subprocess.Popen(
        ["java", "-cp", f"{libraries}/*", HERE / "RunFlyway.java", url, ADMIN, PASSWORD, folder, "migrate"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    while database.rows(asleep) == [(0,)]:
        assert running.poll() is None
    told: list[str] = []
    report = migrate(target(database), folder, {}, Options(progress=told.append))
    assert running.wait() == 0
    assert "PostgreSQL JDBC Driver" in told[0]
    assert report.applied == ()
    assert report.current_version == "2"


def test_maven_and_java_are_there() -> None:
    assert shutil.which("mvn")
    assert shutil.which("java")
