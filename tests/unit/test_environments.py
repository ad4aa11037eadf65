"""A stack's own names: physical ones that do not clash, DNS names, and apps that find each other by them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.told import told
from tests.unit.recorder import Recorder, record
from trellis import settings
from trellis.providers.phase import PhaseProvider

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {"villa.cash": "staging.villa.cash", "api.villa.cash": "api-staging.villa.cash"}
COPY = json.dumps({"region": "sfo3", "ipRange": "10.100.0.0/16"})
# Type -> where its physical name stands. Users, databases and pools are a cluster's own, and a bucket's name is random.
NAMED = ("Vpc", "DatabaseCluster", "DatabaseReplica", "Droplet", "Volume", "Firewall", "SpacesKey")


def _record(system: str, **config: str) -> tuple[Recorder, dict[str, Any]]:
    chosen = {"trellis:system": system, **told(system), **{f"trellis:{key}": value for key, value in config.items()}}
    return record(settings.load(chosen, ROOT, stack="dev"), ROOT)


def _names(recorder: Recorder) -> dict[str, str]:
    """Every physical name that must be the only one of the account, by the resource's logical name and type."""
    named = {
        f"{kind} {logical}": str(inputs["name"])
        for kind in NAMED
        for logical, inputs in recorder.of(kind).items()
        if "name" in inputs
    }
    return named | {f"App {logical}": str(inputs["spec"]["name"]) for logical, inputs in recorder.of("App").items()}


@pytest.mark.parametrize(
    ("system", "config", "count"),
    [
        # VPC and copy's, cluster, replica and copy, two apps.
        ("villa", {"phase": "scale", "copyTo": COPY}, 7),
        # VPC, cluster, cache, app.
        ("audifi", {"caches": '["main"]'}, 4),
        # VPC, cluster, the application's Droplet.
        ("freshtrack", {}, 3),
        # VPC, two Droplets, volume, firewall, key.
        ("freshtrack", {"mode": "self-hosted"}, 6),
    ],
)
def test_every_physical_name_ends_in_the_suffix_and_nothing_else_changes(
    system: str, config: dict[str, str], count: int
) -> None:
    plain, _ = _record(system, **config)
    staging, outputs = _record(system, nameSuffix="staging", **config)
    before, after = _names(plain), _names(staging)
    assert len(before) == count
    assert after == {key: f"{name}-staging" for key, name in before.items()}
    assert sorted((made.typ, made.name) for made in plain.resources) == sorted(
        (made.typ, made.name) for made in staging.resources
    )
    assert outputs["name_suffix"] == "staging"
    for alert in staging.of("MonitorAlert").values():
        assert "-staging: " in alert["description"]


def test_outputs_have_the_names_of_the_system_file() -> None:
    plain, staging = _record("villa")[1], _record("villa", nameSuffix="staging")[1]
    assert staging.pop("name_suffix") == "staging"
    assert staging == plain


def test_a_stack_has_dns_names_of_its_own() -> None:
    recorder, _ = _record("villa", hosts=json.dumps(HOSTS))
    assert {key: made["name"] for key, made in recorder.of("DnsRecord").items()} == {
        f"villa-dns-{key}": host for key, host in HOSTS.items()
    }
    for name, host in (("villa-web", "staging.villa.cash"), ("villa-api", "api-staging.villa.cash")):
        assert recorder.of("App")[name]["spec"]["domainNames"] == [{"name": host, "type": "PRIMARY"}]


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "https://api.villa.cash"),
        ({"hosts": json.dumps(HOSTS)}, "https://api-staging.villa.cash"),
        ({"dnsZone": "villa.dev"}, "https://api.villa.dev"),
    ],
)
def test_the_web_app_calls_the_api_of_its_own_stack(config: dict[str, str], url: str) -> None:
    recorder, _ = _record("villa", **config)
    (service,) = recorder.of("App")["villa-web"]["spec"]["services"]
    assert service["envs"] == [{"key": "NEXT_PUBLIC_API_URL", "value": url, "scope": "RUN_TIME", "type": "GENERAL"}]


def _refusals(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    stack = {"phase": "launch", "rank": 0, "mode": "managed", "layout": "shared", "protect": False}
    failures = PhaseProvider().check({**stack, **before}, {**stack, **now}).failures
    return [failure.reason for failure in failures or ()]


def test_another_suffix_is_refused_protected_or_not() -> None:
    assert _refusals({}, {}) == []
    assert _refusals({"name_suffix": "staging"}, {"name_suffix": "staging"}) == []
    (added,) = _refusals({}, {"name_suffix": "staging"})
    assert added.startswith("trellis:nameSuffix is staging, but none is deployed.")
    assert "Take the key out" in added
    (taken,) = _refusals({"name_suffix": "staging"}, {})
    assert taken.startswith("trellis:nameSuffix is empty, but staging is deployed.")
    assert "Set it back to staging" in taken
    stack = {"phase": "launch", "rank": 0, "mode": "managed", "layout": "shared", "protect": False}
    assert PhaseProvider().check({}, {**stack, "name_suffix": "staging"}).failures == []


def test_a_stack_without_a_suffix_records_none_so_that_one_that_exists_stays() -> None:
    (inputs,) = _record("villa")[0].of("Phase").values()
    assert "name_suffix" not in inputs
    old = {"phase": "launch", "rank": 0, "mode": "managed", "layout": "shared", "provider_version": "1"}
    assert PhaseProvider().diff("phase", old, old).changes is False
    assert PhaseProvider().diff("phase", old, {**old, "name_suffix": "staging"}).changes is True
