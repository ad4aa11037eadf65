"""Four services with a database each: in one cluster or in four, beside a shared cache."""

from pathlib import Path

import pytest

from tests.told import told
from tests.unit.recorder import Recorder, record
from trellis import settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("auth", "billing", "deploy", "monitor")


def _capsule(**config: str) -> Recorder:
    chosen = {
        "trellis:system": "capsule",
        **told("capsule"),
        **{f"trellis:{key}": value for key, value in config.items()},
    }
    return record(settings.load(chosen, ROOT, stack="capsule"), ROOT)[0]


@pytest.fixture(scope="module")
def shared() -> Recorder:
    return _capsule()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_finds_its_database_and_the_cache_under_the_names_it_knows(shared: Recorder, service: str) -> None:
    spec = shared.of("App")[f"{service}-service"]["spec"]
    environment = {variable["key"]: variable["value"] for variable in spec["services"][0]["envs"]}
    prefix = f"{service.upper()}_SERVICE_DB"
    assert environment[f"{prefix}_HOST"] == "private-db.example"
    assert environment[f"{prefix}_PORT"] == "25061"
    assert environment[f"{prefix}_NAME"] == f"{service}-pool"
    assert environment[f"{prefix}_USER"] == "${db.USERNAME}"
    assert environment[f"{prefix}_PASSWORD"] == "${db.PASSWORD}"
    assert environment["REDIS_HOST"] == "private-db.example"
    assert environment["REDIS_PORT"] == "25060"
    assert environment["REDIS_PASSWORD"] == "${cache.PASSWORD}"
    assert environment["REDIS_DB"] == "0"
    database, cache = spec["databases"]
    assert (database["engine"], database["dbName"], database["dbUser"]) == (
        "PG",
        f"{service}_service_db",
        f"{service}_user",
    )
    assert (cache["engine"], cache["clusterName"]) == ("VALKEY", "capsule-cache")


def test_the_cache_forgets_the_least_recently_used_and_survives_a_restart(shared: Recorder) -> None:
    cache = shared.of("DatabaseCluster")["capsule-cache"]
    assert (cache["engine"], cache["version"], cache["evictionPolicy"]) == ("valkey", "8", "allkeys_lru")
    assert shared.of("DatabaseValkeyConfig")["capsule-cache-config"]["persistence"] == "rdb"
    assert [rule["value"] for rule in shared.of("DatabaseFirewall")["capsule-cache-trusted-sources"]["rules"]] == [
        "10.3.0.0/16"
    ]


def test_one_cluster_or_one_a_service(shared: Recorder) -> None:
    assert set(shared.of("DatabaseCluster")) == {"capsule-db", "capsule-cache"}
    apart = _capsule(layout="per-database")
    clusters = {f"capsule-db-{service}-service-db" for service in SERVICES}
    assert set(apart.of("DatabaseCluster")) == {*clusters, "capsule-cache"}
    for service in SERVICES:
        cluster = f"capsule-db-{service}-service-db"
        assert {user["name"] for user in apart.of("DatabaseUser").values() if user["clusterId"] == f"{cluster}-id"} == {
            f"{service}_user"
        }
        (pool,) = (pool for pool in apart.of("DatabaseConnectionPool").values() if pool["clusterId"] == f"{cluster}-id")
        assert (pool["name"], pool["size"]) == (f"{service}-pool", 17)
        (database, _) = apart.of("App")[f"{service}-service"]["spec"]["databases"]
        assert database["clusterName"] == cluster


def test_every_database_is_migrated_for_itself(shared: Recorder) -> None:
    migrations = [inputs for inputs in shared.of("Migrations").values() if "files" in inputs]
    assert sorted(inputs["database"] for inputs in migrations) == sorted(
        f"{service}_service_db" for service in SERVICES
    )
    assert {inputs["table"] for inputs in migrations} == {"flyway_schema_history"}
