"""Every login has a way in, on the cluster or on its replicas, that is named by it."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.told import told
from tests.unit.recorder import record
from trellis import settings

ROOT = Path(__file__).resolve().parents[2]


def _ways(system: str, **config: str) -> dict[str, Any]:
    chosen = {f"trellis:{key}": value for key, value in config.items()}
    loaded = settings.load({"trellis:system": system, **told(system), **chosen}, ROOT, stack=system)
    outputs = record(loaded, ROOT)[1]["login_uris"]
    return {
        login: {way: (at.username, at.hostname, at.port, at.path) for way, at in _parsed(uris)}
        for cluster in outputs.values()
        for login, uris in cluster.items()
    }


def _parsed(uris: dict[str, str]) -> list[tuple[str, Any]]:
    assert all(uri.endswith("?sslmode=verify-full") for uri in uris.values())
    return [(way, urlsplit(uri)) for way, uri in uris.items()]


def test_a_login_without_a_pool_connects_directly() -> None:
    assert _ways("audifi") == {"audifi_analytics": {"audifi": ("audifi_analytics", "db.example", 25060, "/audifi")}}
    inside = _ways("audifi", migrationEndpoint="private")
    assert inside["audifi_analytics"]["audifi"][1] == "private-db.example"


def test_on_a_replica_every_login_does() -> None:
    ways = _ways("audifi", phase="scale", copyTo='{"region": "sfo3", "ipRange": "10.101.0.0/16"}')
    for login in ("audifi_app", "audifi_analytics", "audifi_indexer"):
        for way in ("audifi-replica-1", "audifi-copy"):
            assert ways[login][way] == (login, "replica.example", 25060, "/audifi")
    assert [login for login, uris in ways.items() if "audifi" in uris] == ["audifi_analytics"]


@pytest.mark.parametrize("mode", ["managed", "self-hosted"])
def test_who_has_a_pool_is_offered_no_direct_port(mode: str) -> None:
    assert _ways("freshtrack", mode=mode) == {}


def test_each_login_reads_what_is_its_own() -> None:
    ways = _ways("capsule", phase="scale")
    assert set(ways["billing_user"]) == {"billing_service_db-replica-1"}
