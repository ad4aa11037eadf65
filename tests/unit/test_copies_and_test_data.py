"""What a stack may ask for beyond its phase: a copy in another region, test data, an optional cache, files."""

import json
from pathlib import Path
from typing import Any

from tests.told import told
from tests.unit.recorder import Recorder, record
from trellis import settings

ROOT = Path(__file__).resolve().parents[2]


def _stack(system: str, **config: str) -> tuple[Recorder, dict[str, Any]]:
    chosen = {"trellis:system": system, **told(system), **{f"trellis:{key}": value for key, value in config.items()}}
    return record(settings.load(chosen, ROOT, stack="dev"), ROOT)


def test_a_copy_is_a_replica_in_a_network_of_the_other_region() -> None:
    recorder, outputs = _stack("villa", copyTo=json.dumps({"region": "sfo3", "ipRange": "10.100.0.0/16"}))
    assert recorder.of("Vpc")["villa-copy"]["region"] == "sfo3"
    copy = recorder.of("DatabaseReplica")["villa-db-copy"]
    assert (copy["region"], copy["privateNetworkUuid"], copy["size"]) == ("sfo3", "villa-copy-id", "db-s-1vcpu-1gb")
    assert outputs["monthly_cost_usd"] == 40.30
    assert "villa-pool-copy" in outputs["replica_uris"]["villa-db"]


def test_a_copy_is_not_what_an_app_reads_from() -> None:
    recorder, _ = _stack("audifi", copyTo=json.dumps({"region": "sfo3", "ipRange": "10.100.0.0/16"}))
    assert _environment(recorder, "audifi-api")["AUDIFI_DATABASE_REPLICA_URL"] == ""


def test_an_optional_cache_is_built_where_a_stack_asks_for_it() -> None:
    without, _ = _stack("audifi")
    assert set(without.of("DatabaseCluster")) == {"audifi-db"}
    assert _environment(without, "audifi-api")["AUDIFI_REDIS_URL"] == ""
    with_it, outputs = _stack("audifi", caches='["main"]')
    assert set(with_it.of("DatabaseCluster")) == {"audifi-db", "audifi-cache"}
    assert _environment(with_it, "audifi-api")["AUDIFI_REDIS_URL"] == (
        "rediss://${cache.USERNAME}:${cache.PASSWORD}@private-db.example:25060"
    )
    assert outputs["monthly_cost_usd"] == 35.30


def test_test_data_follows_the_migrations_with_a_history_of_its_own() -> None:
    recorder, _ = _stack("audifi", environment="development", seedData="true")
    runs = {inputs["table"]: inputs for inputs in recorder.of("Migrations").values() if "files" in inputs}
    assert set(runs) == {"flyway_schema_history", "seed_history"}
    assert runs["seed_history"]["folder"] == "migrations/audifi/audifi.seeds"
    assert runs["seed_history"]["baseline_version"] == "0"
    assert not set(runs["seed_history"]["files"]) & set(runs["flyway_schema_history"]["files"])


def test_connection_files_hold_the_pooler_and_the_certificate(tmp_path: Path) -> None:
    recorder, _ = _stack("villa", connectionFiles=str(tmp_path / "secrets"))
    files = {Path(inputs["path"]).name: inputs for inputs in recorder.of("ConnectionFile").values()}
    assert set(files) == {"ca-certificate.crt", "villa-pool.url"}
    assert "@private-db.example:25061/villa-pool?sslmode=verify-full" in str(files["villa-pool.url"]["text"])


def _environment(recorder: Recorder, app: str) -> dict[str, str]:
    (service,) = recorder.of("App")[app]["spec"]["services"]
    return {variable["key"]: variable["value"] for variable in service["envs"]}
