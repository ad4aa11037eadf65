"""What all four services have in common."""

import psycopg
import pytest

from tests.systems.capsule.product import FOLDER, SERVICES, Service
from trellis.migrator import discover

SILENT = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
    " AND relname <> 'flyway_schema_history' AND obj_description(oid, 'pg_class') IS NULL"
    " UNION ALL SELECT proname FROM pg_proc p WHERE pronamespace = 'public'::regnamespace"
    " AND obj_description(oid, 'pg_proc') IS NULL"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
)
BARE_FOREIGN_KEYS = (
    "SELECT conrelid::regclass::text, conname FROM pg_constraint k WHERE contype = 'f' AND conparentid = 0"
    " AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])"
)
# Tables whose rows never change have no updated_at; samples have no created_at either.
WITHOUT_UPDATED_AT = {
    "auth": {"security_audit_log"},
    "billing": {"financial_audit_trail"},
    "deploy": {"status_transitions", "status_changes"},
    "monitor": {"metrics"},
}
NOBODY_MAY = (
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION hstore",
    "ALTER TABLE service_configuration ADD COLUMN a int",
    "DROP TABLE service_configuration",
    "TRUNCATE service_configuration",
    "DELETE FROM service_configuration",
    "UPDATE service_configuration SET settings = '{}'",
    "INSERT INTO service_configuration (service) VALUES ('another')",
    "SELECT * FROM flyway_schema_history",
    "SELECT * FROM pg_authid",
    "SET session_replication_role = replica",
)


@pytest.fixture(params=SERVICES)
def service(services: dict[str, Service], request: pytest.FixtureRequest) -> Service:
    """Each service in turn."""
    return services[request.param]


def test_every_service_starts_with_the_same_file() -> None:
    first = {(FOLDER / f"{name}_service_db" / "V1.0.0__Initial_setup.sql").read_text() for name in SERVICES}
    assert len(first) == 1


def test_a_service_reads_its_configuration_and_the_version_of_its_schema(service: Service) -> None:
    newest = [file.version for file in discover(service.folder) if file.version][-1]
    ((name, version, settings, runtime, age),) = service.run(
        "SELECT service, schema_version, settings, runtime, now() - initialized_at FROM service_information"
    )
    assert (name, version, settings, runtime) == (service.database.name, newest, {}, {})
    assert age.total_seconds() >= 0


def test_a_service_changes_its_runtime_configuration(service: Service) -> None:
    with service.session(service.user) as connection, connection.transaction(force_rollback=True):
        connection.execute("UPDATE service_configuration SET runtime = '{\"paused\": true}'")
        found = connection.execute("SELECT runtime, updated_at = now() FROM service_configuration").fetchone()
    assert found == ({"paused": True}, True)


def test_there_is_one_configuration(service: Service) -> None:
    for key in ("true", "false"):
        with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.CheckViolation)):
            service.admin(f"INSERT INTO service_configuration (only_row, service) VALUES ({key}, 'another')")


def test_a_service_owns_and_makes_nothing(service: Service) -> None:
    service.refused(psycopg.errors.InsufficientPrivilege, *NOBODY_MAY)


def test_a_service_connects_to_no_other_s_database(service: Service) -> None:
    for name in SERVICES:
        if name != service.name:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                service.run("SELECT 1", user=f"{name}_user")


def test_a_service_runs_no_routine_but_those_it_is_given(service: Service) -> None:
    runs = service.admin(
        "SELECT proname FROM pg_proc p WHERE pronamespace = 'public'::regnamespace"
        " AND has_function_privilege(%s, oid, 'EXECUTE')"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')",
        service.user,
    )
    assert runs == ([("maintain_metrics",)] if service.name == "monitor" else [])


def test_a_table_of_a_later_migration_is_open_to_the_service(service: Service) -> None:
    with service.session("doadmin") as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE TABLE later (id BIGINT GENERATED ALWAYS AS IDENTITY, note TEXT)")
        (rights,) = connection.execute(
            "SELECT array_agg(privilege_type::text ORDER BY privilege_type) FROM information_schema.role_table_grants"
            " WHERE table_name = 'later' AND grantee = %s",
            (service.user,),
        ).fetchone() or (None,)
    assert rights == ["DELETE", "INSERT", "SELECT", "UPDATE"]


def test_everything_says_what_it_is(service: Service) -> None:
    assert service.admin(SILENT) == []


def test_every_foreign_key_has_an_index(service: Service) -> None:
    assert service.admin(BARE_FOREIGN_KEYS) == []


def test_every_table_that_changes_has_audit_columns_and_their_trigger(service: Service) -> None:
    without = service.admin(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND c.relname <> 'flyway_schema_history' AND NOT ("
        " EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid"
        "  WHERE tgrelid = c.oid AND proname = 'set_updated_at')"
        " AND 2 = (SELECT count(*) FROM information_schema.columns WHERE table_name = c.relname"
        "  AND column_name IN ('created_at', 'updated_at') AND data_type = 'timestamp with time zone'"
        "  AND column_default = 'CURRENT_TIMESTAMP' AND is_nullable = 'NO'))"
    )
    assert {name for (name,) in without} == WITHOUT_UPDATED_AT[service.name]


def test_every_uuid_key_makes_itself(service: Service) -> None:
    defaults = service.admin(
        "SELECT DISTINCT column_default FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'id' AND data_type = 'uuid'"
    )
    assert defaults == [("uuid_generate_v4()",)]


def test_a_second_run_changes_nothing(service: Service) -> None:
    before = service.database.snapshot()
    assert service.migrate().applied == ()
    assert service.database.snapshot() == before


def test_every_repeatable_file_can_be_repeated(service: Service) -> None:
    repeatable = [file.script for file in discover(service.folder) if file.script.startswith("R__")]
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before, rights_before = service.database.snapshot(), service.admin(rights)
    service.admin("UPDATE flyway_schema_history SET checksum = 0 WHERE version IS NULL")
    assert [done.script for done in service.migrate().applied] == repeatable
    after = service.database.snapshot()
    assert {kind for kind in before if kind not in ("history", "rows") and before[kind] != after[kind]} == set()
    assert service.admin(rights) == rights_before
