"""What the system file and the stack file of TUDAO become in each phase."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from tests.told import told
from trellis import settings
from trellis.settings import Settings

ROOT = Path(__file__).resolve().parents[3]


def load(**config: str) -> Settings:
    own = {f"trellis:{key}": value for key, value in config.items()}
    return settings.load({"trellis:system": "tudao", **told("tudao")} | own, ROOT, stack="t")


@pytest.mark.parametrize(
    ("phase", "plan", "nodes", "pools", "usd"),
    [
        ("launch", "db-s-1vcpu-1gb", 1, {"tudao-pool": 14, "tudao-analytics-pool": 3}, 15.15),
        ("growth", "db-s-1vcpu-2gb", 1, {"tudao-pool": 39, "tudao-analytics-pool": 3}, 30.45),
        ("scale", "db-s-2vcpu-4gb", 2, {"tudao-pool": 89, "tudao-analytics-pool": 3}, 121.80),
    ],
)
def test_a_phase_of_tudao(phase: str, plan: str, nodes: int, pools: dict[str, int], usd: float) -> None:
    chosen = load(phase=phase)
    (cluster,) = chosen.clusters
    assert (cluster.name, cluster.version, cluster.plan.slug, cluster.nodes) == ("tudao-db", "17", plan, nodes)
    assert cluster.budget.pools == pools
    assert chosen.clusters[0].monthly_usd == usd
    assert cluster.databases[0].roles == {"app_role": "tudao_app", "analytics_role": "tudao_analytics"}
    assert {pool.user for pool in cluster.pools} == set(cluster.users)
    assert {pool.mode.value for pool in cluster.pools} == {"transaction"}
    assert chosen.alerts is not None
    assert chosen.alerts.disk == 80


def test_the_application_uses_its_own_pool() -> None:
    (app,) = load().apps
    assert (app.name, app.cluster, app.pool) == ("tudao-api", "main", "tudao-pool")
    assert app.app.environment == {"DATABASE_URL": "${pool.url}", "DATABASE_CA_CERT": "${pool.ca}"}


def test_its_network_overlaps_no_other_system_s() -> None:
    ranges = {
        path.stem: IPv4Network(yaml.safe_load(path.read_text())["network"]["ip_range"])
        for path in (ROOT / "systems").glob("*.yaml")
    }
    own = ranges.pop("tudao")
    assert own == IPv4Network("10.1.0.0/16")
    assert ranges
    assert [name for name, other in ranges.items() if own.overlaps(other)] == []


def test_its_stack_file_is_the_development_stack_s_with_another_system() -> None:
    dev, tudao = (yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text()) for stack in ("dev", "tudao"))
    assert tudao["encryptionsalt"] == dev["encryptionsalt"]
    # It has no DNS names.
    del dev["config"]["cloudflare:baseUrl"]
    # Mails of the local cloud stay on this machine.
    contacts = {"on-call": ["ops@tudao.example"], "database-admin": ["dba@tudao.example"]}
    assert tudao["config"] == dev["config"] | {"trellis:system": "tudao", "trellis:contacts": contacts}
