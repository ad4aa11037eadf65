"""What the program asks of the clouds for Villa, phase by phase."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.recorder import Recorder, record
from trellis import settings

ROOT = Path(__file__).resolve().parents[2]


def _villa(phase: str = "launch", **config: str) -> settings.Settings:
    chosen = {"trellis:system": "villa", "trellis:phase": phase}
    return settings.load({**chosen, **{f"trellis:{key}": value for key, value in config.items()}}, ROOT, stack="dev")


@pytest.fixture(scope="module")
def launched() -> tuple[Recorder, dict[str, Any]]:
    return record(_villa(trustedSources='["203.0.113.7"]'), ROOT)


def test_the_network_has_the_range_of_the_system(launched: tuple[Recorder, dict[str, Any]]) -> None:
    assert launched[0].of("Vpc") == {"villa": {"name": "villa-vpc", "region": "nyc1", "ipRange": "10.0.0.0/16"}}


@pytest.mark.parametrize(
    ("phase", "size", "storage", "pool"),
    [
        ("launch", "db-s-1vcpu-1gb", "10240", 17),
        ("growth", "db-s-1vcpu-2gb", "30720", 42),
        ("scale", "db-s-2vcpu-4gb", "61440", 92),
    ],
)
def test_a_phase_changes_the_plan_the_disk_and_the_pool(phase: str, size: str, storage: str, pool: int) -> None:
    recorder, outputs = record(_villa(phase), ROOT)
    cluster = recorder.of("DatabaseCluster")["villa-db"]
    assert (cluster["size"], cluster["storageSizeMib"], cluster["nodeCount"]) == (size, storage, 1)
    assert (cluster["engine"], cluster["version"], cluster["privateNetworkUuid"]) == ("pg", "17", "villa-id")
    assert recorder.of("DatabaseConnectionPool")["villa-db-villa-pool"]["size"] == pool
    replicas = recorder.of("DatabaseReplica")
    assert len(replicas) == (phase == "scale")
    for replica in replicas.values():
        assert (replica["size"], replica["privateNetworkUuid"]) == (size, "villa-id")
    assert outputs["connection_budgets"]["villa-db"]["headroom"] == 5


def test_trusted_sources_are_the_network_and_what_the_stack_names(launched: tuple[Recorder, dict[str, Any]]) -> None:
    (firewall,) = launched[0].of("DatabaseFirewall").values()
    assert [(rule["type"], rule["value"]) for rule in firewall["rules"]] == [
        ("ip_addr", "10.0.0.0/16"),
        ("ip_addr", "203.0.113.7"),
    ]


def test_the_pool_is_a_transaction_pool_of_the_application_user(launched: tuple[Recorder, dict[str, Any]]) -> None:
    (pool,) = launched[0].of("DatabaseConnectionPool").values()
    assert (pool["mode"], pool["dbName"], pool["user"]) == ("transaction", "villa", "villa_app")


def test_migrations_run_as_the_administrator_on_the_direct_port(launched: tuple[Recorder, dict[str, Any]]) -> None:
    (migrations,) = (inputs for inputs in launched[0].of("Migrations").values() if "files" in inputs)
    assert (migrations["user"], migrations["host"], migrations["port"]) == ("doadmin", "db.example", 25060)
    assert migrations["sslmode"] == "verify-full"
    assert migrations["target"] == "villa-db-id/villa"
    assert migrations["placeholders"] == {"app_role": "villa_app"}
    assert set(migrations["files"]) == {path.name for path in (ROOT / "migrations/villa/villa").glob("*.sql")}


def test_the_api_reaches_the_pool_inside_the_network_and_holds_no_secret(
    launched: tuple[Recorder, dict[str, Any]],
) -> None:
    spec = launched[0].of("App")["villa-api"]["spec"]
    (service,) = spec["services"]
    environment = {variable["key"]: variable for variable in service["envs"]}
    assert environment["DATABASE_URL"]["value"] == (
        "postgresql://${db.USERNAME}:${db.PASSWORD}@private-db.example:25061/villa-pool?sslmode=verify-full"
    )
    assert environment["DATABASE_CA_CERT"]["value"] == "${db.CA_CERT}"
    assert {variable["type"] for variable in environment.values()} == {"GENERAL"}
    assert spec["databases"] == [
        {
            "name": "db",
            "engine": "PG",
            "version": "17",
            "production": True,
            "clusterName": "villa-db",
            "dbName": "villa",
            "dbUser": "villa_app",
        }
    ]
    assert spec["vpcs"] == [{"id": "villa-id"}]
    assert service["healthCheck"] == {"httpPath": "/health"}
    assert "p@ss/word" not in repr(launched[0].of("App"))


def test_a_changed_password_changes_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit import recorder as module

    def fingerprint() -> str:
        spec = record(_villa(), ROOT)[0].of("App")["villa-api"]["spec"]
        variables = {variable["key"]: variable["value"] for variable in spec["services"][0]["envs"]}
        return str(variables["DATABASE_CREDENTIALS_FINGERPRINT"])

    before = fingerprint()
    assert fingerprint() == before
    user = {"digitalocean:index/databaseUser:DatabaseUser": {"password": "another"}}
    monkeypatch.setattr(module, "COMPUTED", {**module.COMPUTED, **user})
    assert fingerprint() != before


def test_dns_names_lead_to_the_apps(launched: tuple[Recorder, dict[str, Any]]) -> None:
    records = {record["name"]: record for record in launched[0].of("DnsRecord").values()}
    assert set(records) == {"villa.cash", "api.villa.cash"}
    for entry in records.values():
        assert (entry["type"], entry["content"]) == ("CNAME", "app-x1.ondigitalocean.app")
        assert (entry["proxied"], entry["ttl"], entry["zoneId"]) == (True, 1, "zone-1")


def test_every_database_alert_that_digitalocean_has(launched: tuple[Recorder, dict[str, Any]]) -> None:
    alerts = {alert["type"]: alert for alert in launched[0].of("MonitorAlert").values()}
    assert set(alerts) == {
        "v1/dbaas/alerts/cpu_alerts",
        "v1/dbaas/alerts/memory_utilization_alerts",
        "v1/dbaas/alerts/disk_utilization_alerts",
        "v1/dbaas/alerts/load_15_alerts",
    }
    cpu = alerts["v1/dbaas/alerts/cpu_alerts"]
    assert (cpu["compare"], cpu["value"], cpu["window"]) == ("GreaterThan", 80, "5m")
    assert (cpu["entities"], cpu["alerts"]) == (["villa-db-id"], {"emails": ["ops@villa.cash"]})


def test_outputs(launched: tuple[Recorder, dict[str, Any]]) -> None:
    outputs = launched[1]
    assert outputs["pooled_uris"] == {
        "villa-db": {
            "villa-pool": "postgresql://villa_app:p%40ss%2Fword@db.example:25061/villa-pool?sslmode=verify-full"
        }
    }
    assert outputs["direct_uris"] == {
        "villa-db": {"villa": "postgresql://doadmin:admin-password@db.example:25060/villa?sslmode=verify-full"}
    }
    assert outputs["replica_uris"] == {}
    assert outputs["monthly_cost_usd"] == 25.15
    assert outputs["plans"] == {"villa-db": "db-s-1vcpu-1gb"}


def test_inside_the_network_the_private_host_is_used() -> None:
    recorder, outputs = record(_villa("scale", migrationEndpoint="private"), ROOT)
    (migrations,) = (inputs for inputs in recorder.of("Migrations").values() if "files" in inputs)
    assert migrations["host"] == "private-db.example"
    (replica,) = outputs["replica_uris"]["villa-db"].values()
    assert replica == "postgresql://villa_app:p%40ss%2Fword@private-replica.example:25060/villa?sslmode=verify-full"


def test_a_preview_with_unknown_values_asks_for_the_same_resources() -> None:
    up, preview = record(_villa("scale"), ROOT)[0], record(_villa("scale"), ROOT, preview=True)[0]
    assert sorted((made.typ, made.name) for made in preview.resources) == sorted(
        (made.typ, made.name) for made in up.resources
    )
