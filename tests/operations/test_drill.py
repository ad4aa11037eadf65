"""A restored database that is not what it was is told, and so is one that came too late."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from tests.migrator.servers import PASSWORD, Database, PostgreSQL
from tests.operations.conftest import ROOT
from tests.operations.test_api import Server, answer, serve
from trellis.migrator import Target, migrate
from trellis.operations import databases, records
from trellis.operations.drill import checking, temporary, verifying
from trellis.operations.drill.report import Drilled, markdown
from trellis.operations.drill.verifying import Check
from trellis.operations.errors import OperationError
from trellis.operations.move.copying import settings
from trellis.operations.move.sides import Side
from trellis.settings import Settings
from trellis.settings.duties import Check as Asked
from trellis.settings.resolved import CheckSettings

__all__ = ["serve"]

FOLDER = ROOT / "migrations" / "villa" / "villa"
INSERT = "INSERT INTO public.profiles (address) VALUES ({})"


@pytest.fixture
def restored(server: PostgreSQL, database: Database) -> Iterator[Database]:
    """A copy of a database in use."""
    with database.connect() as connection:
        connection.execute("CREATE ROLE villa_app LOGIN")
        migrate(Target(database.parameters()), FOLDER, {"app_role": "villa_app"})
        connection.execute(INSERT.format("generate_series(1, 50)"))
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE copied TEMPLATE {database.name}")
        with side(database).connect() as here:
            for statement in settings(here):
                connection.execute(statement.replace(database.name, "copied").encode())
    yield Database(server, "copied")
    with server.connect() as connection:
        connection.execute("DROP DATABASE copied WITH (FORCE)")
    with database.connect() as connection:
        connection.execute("DROP OWNED BY villa_app; DROP ROLE villa_app")


def side(database: Database) -> Side:
    return Side(cluster="villa-db", database=database.name, target=Target(database.parameters()), peer={})


def stacks(database: Database) -> databases.Database:
    sources = databases.Sources(
        name="villa-db/villa", database="villa", folder=FOLDER, placeholders={"app_role": "villa_app"}
    )
    return databases.Database(sources=sources, target=Target(database.parameters()))


def test_the_same_is_told_as_the_same(database: Database, restored: Database) -> None:
    before = verifying.sums(side(database))
    rows = verifying.rows_between("villa", before, before, verifying.sums(side(restored)))
    schema = verifying.schema(stacks(database), side(database), side(restored))
    history = verifying.history(stacks(database), side(restored))
    assert all(check.ok for check in (rows, schema, history)), (rows, schema, history)


def test_rows_that_are_missing_or_others(database: Database, restored: Database) -> None:
    before = verifying.sums(side(database))
    with restored.connect() as connection:
        connection.execute("DELETE FROM profiles WHERE address = '7'")
    check = verifying.rows_between("villa", before, before, verifying.sums(side(restored)))
    assert (check.ok, check.found) == (False, 'not as they were: "public"."profiles"')
    with restored.connect() as connection:
        connection.execute(INSERT.format("'7'"))
    assert not verifying.rows_between("villa", before, before, verifying.sums(side(restored))).ok


def test_a_table_that_is_written_to_meanwhile_is_told_and_not_judged(database: Database, restored: Database) -> None:
    before = verifying.sums(side(database))
    with database.connect() as connection:
        connection.execute(INSERT.format("generate_series(51, 60)"))
    after, there = verifying.sums(side(database)), verifying.sums(side(restored))
    check = verifying.rows_between("villa", before, after, there)
    assert check.ok
    assert 'written to meanwhile: "public"."profiles" 50 rows, 50 before and 60 after' in check.found
    lacking = {name: table for name, table in there.items() if name != '"public"."profiles"'}
    assert not verifying.rows_between("villa", before, after, lacking).ok


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("REVOKE INSERT ON profiles FROM villa_app", "acl public.TABLE profiles"),
        ("DROP INDEX idx_profiles_nickname", "index public.idx_profiles_nickname"),
        ("ALTER FUNCTION update_updated_at() OWNER TO villa_app", "function public.update_updated_at()"),
        ("REVOKE CONNECT ON DATABASE copied FROM villa_app", "GRANT CONNECT ON DATABASE TO"),
    ],
)
def test_schema_owners_and_grants(database: Database, restored: Database, change: str, found: str) -> None:
    with restored.connect() as connection:
        connection.execute(change)
    check = verifying.schema(stacks(database), side(database), side(restored))
    assert (check.ok, found in check.found) == (False, True), check.found


def test_a_history_that_is_not_that_of_the_files(database: Database, restored: Database) -> None:
    with restored.connect() as connection:
        connection.execute("UPDATE flyway_schema_history SET checksum = 1 WHERE version = '1.0.2'")
    check = verifying.history(stacks(database), side(restored))
    assert (check.ok, "changed after it was applied" in check.found) == (False, True), check.found


def test_the_newest_row(database: Database, restored: Database) -> None:
    now = verifying.now(side(database))
    with database.connect() as connection:
        connection.execute("UPDATE profiles SET created_at = now() - interval '1 hour'")
    with restored.connect() as connection:
        connection.execute("ALTER TABLE profiles DISABLE TRIGGER ALL")
        connection.execute("UPDATE profiles SET created_at = now() - interval '3 hours', updated_at = created_at")
        connection.execute("UPDATE profiles SET updated_at = created_at - interval '3 hours'")
    later = now + timedelta(minutes=1)
    newest, last = verifying.newest(side(database), later), verifying.newest(side(restored), later)
    assert newest is not None
    assert last is not None
    assert newest - last > timedelta(hours=1)
    assert verifying.newest(side(database), datetime(2000, 1, 1, tzinfo=UTC)) is None


def test_checks_are_asked_as_the_pools_user_and_judged_by_whether_they_can_be(
    database: Database, restored: Database
) -> None:
    asked_as: list[tuple[str, str]] = []

    def reach(name: str, login: str) -> Target:
        asked_as.append((name, login))
        with restored.connect() as connection:
            try:
                connection.execute(f"ALTER ROLE {login} PASSWORD '{PASSWORD}'")
            except psycopg.Error as error:
                raise OperationError(str(error.diag.message_primary)) from None
        return Target({**restored.parameters(), "user": login})

    def check(name: str, statement: str, pool: str = "web") -> CheckSettings:
        asked = Asked(pool=f"main.{pool}", sql=statement, do="Look")
        return CheckSettings(name=name, check=asked, cluster="villa-db", pool=pool, database="villa", tell=())

    checks = (
        check("none", "SELECT count(*) FROM profiles WHERE address = ''"),
        check("many", "SELECT count(*) FROM profiles"),
        check("secret", "SELECT count(*) FROM flyway_schema_history"),
        check("lost", "SELECT 1", pool="other"),
    )
    pools = [SimpleNamespace(name="web", user="villa_app"), SimpleNamespace(name="other", user="nobody_here")]
    cluster: Any = SimpleNamespace(name="villa-db", pools=pools)
    found = checking.asked(cast("Settings", SimpleNamespace(checks=checks)), cluster, reach)
    assert [(one.what, one.ok, one.found) for one in found] == [
        ("check none", True, "villa_app found 0"),
        ("check many", True, "villa_app found 50, more than 0: so it was then"),
        ("check secret", False, "villa_app could not ask it: permission denied for table flyway_schema_history"),
        ("check lost", False, 'nobody_here could not ask it: role "nobody_here" does not exist'),
    ]
    assert asked_as == [("villa", "villa_app"), ("villa", "nobody_here")]


def drilled(**changed: object) -> Drilled:
    moment = datetime(2026, 11, 27, 4, tzinfo=UTC)
    facts: dict[str, object] = {
        "cluster": "villa-db", "temporary": "villa-db-drill-1", "source": "villa-db", "began": moment, "wanted": moment,
        "rto": 300.0, "rpo": 5.0, "objective_rto": timedelta(minutes=15), "objective_rpo": timedelta(minutes=10),
        "checks": (Check(database="villa-db/villa", what="rows", ok=True, found="a|b"),),
    }  # fmt: skip
    return Drilled(**(facts | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "ok"),
    [
        ({}, True),
        ({"rto": 901.0}, False),
        ({"rpo": 601.0}, False),
        ({"rpo": None}, False),
        ({"rpo": None, "objective_rpo": None}, True),
        ({"rto": 9e9, "objective_rto": None}, True),
        ({"checks": (Check(database="villa-db/villa", what="rows", ok=False, found="gone"),)}, False),
    ],
)
def test_what_is_promised_is_what_is_judged(changed: dict[str, object], ok: bool) -> None:
    one = drilled(**changed)
    assert (one.ok, one.to_dict()["ok"]) == (ok, ok)
    assert f"## villa-db: {'proven' if ok else '**not proven**'}" in markdown("prod", (one,))


def test_records_are_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert records.read("prod") == []
    records.append("prod", kind="drill", cluster="villa-db", ok=True, rto_seconds=1.5)
    file = tmp_path / ".trellis" / "records" / "prod.jsonl"
    with file.open("a") as opened:
        opened.write('{"kind": "dri\n')
    records.append("prod", kind="backup", cluster="villa-db", ok=False, error="a\nb")
    first, second = records.read("prod")
    assert (first["kind"], first["stack"], first["ok"], first["rto_seconds"]) == ("drill", "prod", True, 1.5)
    assert (second["error"], datetime.fromisoformat(second["at"]).tzinfo) == ("a\nb", UTC)


def test_a_new_cluster_is_given_the_time_for_its_first_backup(serve: Server) -> None:
    none, one = answer(200, b'{"backups": []}'), answer(200, b'{"backups": [{"size_gigabytes": 0.1}]}')
    # So the API says it of a cluster that is minutes old.
    refused = answer(412, b'{"id": "precondition_failed", "message": "villa-db does not have any backups yet."}')
    origin = temporary.Origin(
        id="1", name="villa-db", engine="pg", version="17", size="", region="", network="", storage_mib=None
    )
    told: list[str] = []
    temporary.await_backup(serve(refused, none, one), origin, told.append)
    assert [asked.split()[1] for asked in serve.asked] == ["/v2/databases/1/backups"] * 3
    assert told == ["villa-db: has no backup yet; a new cluster's first one takes minutes"]
