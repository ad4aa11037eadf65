"""One line decides who runs the server: what each mode asks of DigitalOcean, and what both offer."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime import rpc

from tests.told import told
from tests.unit.recorder import Recorder, record
from trellis import settings

ROOT = Path(__file__).resolve().parents[2]


def _freshtrack(mode: str, **config: str) -> tuple[Recorder, dict[str, Any]]:
    chosen = {
        "trellis:system": "freshtrack",
        "trellis:mode": mode,
        **told("freshtrack"),
    }
    chosen |= {f"trellis:{key}": value for key, value in config.items()}
    return record(settings.load(chosen, ROOT, stack="freshtrack"), ROOT)


@pytest.fixture(scope="module")
def managed() -> tuple[Recorder, dict[str, Any]]:
    return _freshtrack("managed")


@pytest.fixture(scope="module")
def self_hosted() -> tuple[Recorder, dict[str, Any]]:
    return _freshtrack("self-hosted", trustedSources='["203.0.113.7"]')


def test_both_modes_offer_the_same_outputs(
    managed: tuple[Recorder, dict[str, Any]], self_hosted: tuple[Recorder, dict[str, Any]]
) -> None:
    assert managed[1].keys() == self_hosted[1].keys()
    for outputs in (managed[1], self_hosted[1]):
        assert set(outputs["pooled_uris"]["freshtrack-db"]) == {"app-pool"}
        assert set(outputs["direct_uris"]["freshtrack-db"]) == {"freshtrack"}


@pytest.mark.parametrize("mode", ["managed", "self-hosted"])
def test_the_application_is_only_ever_offered_the_pooler(mode: str) -> None:
    _, outputs = _freshtrack(mode)
    offered = [uri for kind in ("direct_uris", "pooled_uris", "replica_uris") for uri in _texts(outputs.get(kind, {}))]
    of_the_application = [uri for uri in offered if "freshtrack_app" in uri]
    assert of_the_application
    assert all(":25061/app-pool?sslmode=verify-full" in uri for uri in of_the_application)


def test_the_pool_gets_what_the_plan_has() -> None:
    sizes = {
        phase: _freshtrack("managed", phase=phase)[0].of("DatabaseConnectionPool")["freshtrack-db-app-pool"]["size"]
        for phase in ("launch", "growth", "scale")
    }
    assert sizes == {"launch": 17, "growth": 25, "scale": 25}


def test_the_cluster_trusts_the_network_and_the_droplet(managed: tuple[Recorder, dict[str, Any]]) -> None:
    recorder, _ = managed
    assert recorder.of("Droplet")["freshtrack-app"]["vpcUuid"] == "freshtrack-id"
    (firewall,) = recorder.of("DatabaseFirewall").values()
    assert [(rule["type"], rule["value"]) for rule in firewall["rules"]] == [
        ("ip_addr", "10.4.0.0/16"),
        ("droplet", "4711"),
    ]


@pytest.mark.parametrize("mode", ["managed", "self-hosted"])
def test_a_stack_may_have_the_database_alone(mode: str) -> None:
    recorder, outputs = _freshtrack(mode, droplets="false")
    assert set(recorder.of("Droplet")) == ({"freshtrack-db"} if mode == "self-hosted" else set())
    assert outputs["droplet_addresses"] == {}
    for firewall in recorder.of("DatabaseFirewall").values():
        assert [(rule["type"], rule["value"]) for rule in firewall["rules"]] == [("ip_addr", "10.4.0.0/16")]


def test_self_hosted_makes_no_managed_cluster(self_hosted: tuple[Recorder, dict[str, Any]]) -> None:
    recorder, _ = self_hosted
    assert not recorder.of("DatabaseCluster")
    server = recorder.of("Droplet")["freshtrack-db"]
    assert (server["size"], server["image"], server["resizeDisk"]) == ("s-1vcpu-2gb", "debian-12-x64", False)
    (volume,) = recorder.of("Volume").values()
    assert (volume["size"], volume["initialFilesystemType"]) == (10, "ext4")


def test_the_firewall_opens_postgresql_to_the_network_and_the_trusted_sources(
    self_hosted: tuple[Recorder, dict[str, Any]],
) -> None:
    (firewall,) = self_hosted[0].of("Firewall").values()
    assert [(rule["portRange"], rule["sourceAddresses"]) for rule in firewall["inboundRules"]] == [
        ("25060-25061", ["10.4.0.0/16", "203.0.113.7"])
    ]
    # It is there before the Droplet, and knows it by a tag that nothing else has.
    assert firewall["tags"] == ["server:freshtrack-db"]
    assert "dropletIds" not in firewall
    tagged = [name for name, droplet in self_hosted[0].of("Droplet").items() if firewall["tags"][0] in droplet["tags"]]
    assert tagged == ["freshtrack-db"]
    # A firewall takes no tag that is not there yet.
    (volume,) = self_hosted[0].of("Volume").values()
    assert firewall["tags"][0] in volume["tags"]
    order = [resource.name for resource in self_hosted[0].resources if resource.typ.startswith("digitalocean:")]
    assert order.index("freshtrack-db-data") < order.index("freshtrack-db-firewall") < order.index("freshtrack-db")


def test_dumps_go_to_a_private_versioned_bucket_that_forgets(self_hosted: tuple[Recorder, dict[str, Any]]) -> None:
    recorder, _ = self_hosted
    (bucket,) = recorder.of("SpacesBucket").values()
    assert (bucket["acl"], bucket["versioning"], bucket["region"]) == ("private", {"enabled": True}, "nyc3")
    (rule,) = bucket["lifecycleRules"]
    assert (rule["expiration"], rule["noncurrentVersionExpiration"]) == ({"days": 30}, {"days": 30})
    (key,) = recorder.of("SpacesKey").values()
    assert key["grants"] == [{"bucket": "dumps-1a2b3c4", "permission": "readwrite"}]


@pytest.mark.parametrize("environment", ["production", "development"])
@pytest.mark.parametrize("protect", ["never", "always"])
def test_dumps_are_deleted_with_a_development_stack_alone(environment: str, protect: str) -> None:
    (bucket,) = _freshtrack("self-hosted", environment=environment, protect=protect)[0].of("SpacesBucket").values()
    assert bucket["forceDestroy"] is (environment == "development")


def test_no_password_is_in_what_the_droplet_is_told(self_hosted: tuple[Recorder, dict[str, Any]]) -> None:
    secret = self_hosted[0].of("Droplet")["freshtrack-db"]["userData"]
    assert secret[rpc._special_sig_key] == rpc._special_secret_sig
    text = secret["value"]
    config = yaml.safe_load(text)
    files = {
        file["path"]: base64.b64decode(file["content"]).decode() if file.get("encoding") else file["content"]
        for file in config["write_files"]
    }
    assert "p" * 32 not in text + "".join(files.values())
    assert "SCRAM-SHA-256$4096:" in files["/etc/trellis/server.env"]
    assert "SOURCES='10.4.0.0/16 203.0.113.7/32'" in files["/etc/trellis/server.env"]
    assert "OnCalendar=*-*-* 02:00:00 UTC" in files["/etc/systemd/system/trellis-dump.timer"]
    assert {file["permissions"] for file in config["write_files"] if file["path"].startswith("/etc/trellis/")} == {
        "0600"
    }


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    return [str(value)]
