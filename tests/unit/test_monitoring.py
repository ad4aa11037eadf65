"""The machine that watches a stack, as the program asks for it."""

import base64
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.told import told
from tests.unit.recorder import record
from tools import ROOT
from trellis import settings
from trellis.settings import Settings

MOST_BYTES = 1 << 16
MONITORING = {
    "webhook": "https://hooks.your-company.com/a-secret",
    "smtp": "smtp.your-company.com:587",
    "from": "alerts@your-company.com",
    "user": "alerts",
    "password": "another-secret",
}


def _chosen(system: str, **config: str) -> Settings:
    named = {"system": system, "trustedSources": '["203.0.113.7"]', **config}
    return settings.load({**told(system), **{f"trellis:{key}": value for key, value in named.items()}}, ROOT, stack="x")


def _files(user_data: str) -> dict[str, tuple[str, str]]:
    """Path -> mode and text of what cloud-init is told to write."""
    config = yaml.safe_load(user_data)
    found = {}
    for one in config["write_files"]:
        text = one["content"]
        if "encoding" in one:
            raw = base64.b64decode(text)
            text = (gzip.decompress(raw) if one["encoding"] == "gz+b64" else raw).decode()
        found[one["path"]] = one["permissions"], text
    return found


def test_a_stack_without_it_has_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("pulumi_random", "components.monitoring"))]:
        monkeypatch.delitem(sys.modules, name)
    recorder, outputs = record(_chosen("tudao"), ROOT)
    assert (recorder.of("Droplet"), recorder.of("RandomPassword"), recorder.of("Monitoring")) == ({}, {}, {})
    assert "monitoring" not in outputs
    assert not any(name.startswith(("pulumi_random", "components.monitoring")) for name in sys.modules)


@pytest.mark.parametrize(
    ("system", "config"),
    [
        ("villa", {"phase": "scale"}),
        ("tudao", {}),
        ("capsule", {}),
        ("capsule", {"layout": "per-database"}),
        ("audifi", {"phase": "scale"}),
        ("freshtrack", {"mode": "self-hosted"}),
    ],
)
def test_what_the_machine_is_told(system: str, config: dict[str, str]) -> None:
    chosen = _chosen(system, monitoring=json.dumps(MONITORING), **config)
    recorder, outputs = record(chosen, ROOT)
    machine: dict[str, Any] = recorder.of("Droplet")[f"{system}-monitoring"]
    assert (machine["size"], machine["image"]) == ("s-1vcpu-1gb", "debian-12-x64")
    # It is a secret, which the engine gets in a frame.
    user_data = machine["userData"]["value"]
    assert len(user_data.encode()) < MOST_BYTES
    assert record(chosen, ROOT)[0].of("Droplet")[f"{system}-monitoring"] == machine
    files = _files(user_data)
    hidden = ("a-secret", "another-secret", "PRIVATE KEY", "postgres://")
    for path, (mode, text) in files.items():
        assert mode == "0600" or not any(secret in text for secret in hidden), path
    assert {Path(path).name for path, (_, text) in files.items() if "a-secret" in text} == {"alertmanager.yml"}
    jobs = yaml.safe_load(files["/etc/trellis/sql-exporter.yml"][1])["jobs"]
    names = [job["name"] for job in jobs]
    assert len(set(names)) == len(names)
    for cluster in chosen.clusters:
        assert {f"{cluster.name}/{database.name}" for database in cluster.databases} <= set(names)
        assert f"/etc/trellis/{cluster.name}.crt" in files
    for job in jobs:
        assert all("sslmode=verify-full&sslrootcert=" in uri for uri in job["connections"])
        assert all(("search_path" in uri) == (", pool " not in job["name"]) for uri in job["connections"])
    assert set(outputs["monitoring"]) == {"prometheus", "alertmanager", "user", "password", "ca_certificate"}


def test_its_firewall_lets_trusted_sources_alone_in() -> None:
    recorder, _ = record(_chosen("tudao", monitoring=json.dumps(MONITORING)), ROOT)
    firewall = recorder.of("Firewall")["tudao-monitoring-firewall"]
    assert [(rule["portRange"], rule["sourceAddresses"]) for rule in firewall["inboundRules"]] == [
        ("9090", ["203.0.113.7"]),
        ("9093", ["203.0.113.7"]),
    ]
    (tag,) = firewall["tags"]
    assert tag in recorder.of("Droplet")["tudao-monitoring"]["tags"]
    # No other Droplet has it.
    assert tag == "monitoring:tudao-monitoring"
