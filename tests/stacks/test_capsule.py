"""A cluster for each database, and migrations that fail side by side: each is named, none hides another."""

import json

import psycopg

from tests.stacks.harness import LocalStack, local_stack, program_copy
from trellis.development.bring import Parts

SERVICES = ("auth", "billing", "deploy", "monitor")
BROKEN = ("auth", "deploy")
SAMPLES = """
WITH metric AS (INSERT INTO metric_definitions (name, kind, unit, description)
                VALUES ('cpu.used', 'gauge', 'percent', 'In use') RETURNING id)
INSERT INTO metrics SELECT id, 'api-1', now() - n * interval '1 day', n FROM metric, generate_series(0, 4) n
"""


def test_every_failed_database_is_named_and_the_others_are_migrated(parts: Parts) -> None:
    """On PostgreSQL 17, which has TimescaleDB here."""
    with program_copy() as program, local_stack(parts, "capsule", program, layout="per-database") as stack:
        system = program / "systems" / "capsule.yaml"
        system.write_text(system.read_text().replace('version: "15"', 'version: "17"'))
        wrong = {
            service: program / "migrations" / "capsule" / f"{service}_service_db" / f"V9.0.0__Wrong_{service}.sql"
            for service in BROKEN
        }
        for service, path in wrong.items():
            path.write_text(f"CREATE TABLE half (id int);\nSELECT nothing_{service};\n")
        failed = stack.try_up()
        assert failed.code != 0
        for service in SERVICES:
            assert (f"V9.0.0__Wrong_{service}.sql, line 2" in failed.text) == (service in BROKEN), failed.text
        assert "Traceback" not in failed.text
        _applied(stack, {"billing", "monitor"})
        for path in wrong.values():
            path.unlink()
        stack.up()
        _applied(stack, set(SERVICES))
        stack.must("preview", "--expect-no-changes")
        uris = [found.get("monitor_service_db") for found in stack.outputs()["direct_uris"].values()]
        uri = str(next(filter(None, uris))).replace("verify-full", "require")
        with psycopg.connect(uri, connect_timeout=30) as connection:
            engine = "SELECT engine, name FROM metric_storage, pg_available_extensions WHERE name = 'timescaledb'"
            assert connection.execute(engine).fetchall() == [("timescaledb", "timescaledb")]
            connection.execute(SAMPLES)
        _hypertables_come_back(stack, uri)
        names = {cluster["name"] for cluster in stack.api("GET", "/v2/databases")["databases"]}
        assert names == {*(f"capsule-db-{service}-service-db" for service in SERVICES), "capsule-cache"}


def _hypertables_come_back(stack: LocalStack, uri: str) -> None:
    """A drill from a backup, and rows that a wrong DELETE took, which the rescue finds in it."""
    backups = stack.workspace.folder / "backups"
    made = stack.trellis("backup", "--to", str(backups))
    assert made.code == 0, made.text
    drilled = stack.trellis("drill", "capsule-db-monitor-service-db", "--from", str(backups / stack.name))
    assert drilled.code == 0, drilled.text
    with psycopg.connect(uri, connect_timeout=30) as connection:
        connection.execute("DELETE FROM metrics WHERE observed_at < now() - interval '1 hour'")
    rescued = stack.trellis(
        *("rescue", "--from", str(backups / stack.name), "--database", "monitor_service_db"),
        *("--table", "metrics", "--yes"),
    )
    assert rescued.code == 0, rescued.text
    with psycopg.connect(uri, connect_timeout=30) as connection:
        counted = connection.execute("SELECT count(*), count(DISTINCT tableoid) FROM metrics")
        assert counted.fetchall() == [(5, 5)], rescued.text


def _applied(stack: LocalStack, services: set[str]) -> None:
    """Exactly these services' migrations are in the state."""
    resources = json.loads(stack.pulumi("stack", "export").text)["deployment"]["resources"]
    migrated = {
        resource["outputs"]["report"]["database"]
        for resource in resources
        if resource["type"] == "pulumi-python:dynamic/migrations:Migrations" and "report" in resource.get("outputs", {})
    }
    assert migrated == {f"{service}_service_db" for service in services}
