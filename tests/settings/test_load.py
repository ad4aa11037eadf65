"""What a system file and a stack's config become."""

from pathlib import Path

import pytest
import yaml

import settings
from settings import PLANS, Phase
from settings.stack import StackConfig
from tests.settings.conftest import Load


@pytest.mark.parametrize(
    ("phase", "plan", "limit", "storage", "usd"),
    [
        ("launch", "db-s-1vcpu-1gb", 22, 10, 15),
        ("growth", "db-s-1vcpu-2gb", 47, 30, 30),
        ("scale", "db-s-2vcpu-4gb", 97, 60, 60),
    ],
)
def test_a_phase_buys_a_plan(load: Load, phase: str, plan: str, limit: int, storage: int, usd: float) -> None:
    cluster = load(phase=phase).clusters[0]
    assert (cluster.plan.slug, cluster.budget.limit, cluster.plan.storage_gib) == (plan, limit, storage)
    assert cluster.monthly_usd == usd
    assert (cluster.nodes, cluster.replicas) == (1, 0)


def test_a_system_changes_what_a_phase_buys(load: Load) -> None:
    changed = ("    users:", "    phases:\n      scale: {plan: db-s-4vcpu-8gb, nodes: 2, replicas: 1}\n    users:")
    cluster = load(changed, phase="scale").clusters[0]
    assert (cluster.plan, cluster.nodes, cluster.replicas) == (PLANS["db-s-4vcpu-8gb"], 2, 1)
    assert cluster.monthly_usd == 2 * 120 + 120


def test_a_pool_without_a_size_gets_what_the_headroom_leaves(load: Load) -> None:
    budget = load().clusters[0].budget
    assert (budget.limit, budget.headroom, budget.pools) == (22, 5, {"web": 17})
    assert budget.unassigned == 0


def test_protection_follows_the_phase_unless_the_stack_says_otherwise(load: Load) -> None:
    assert [load(phase=phase).protect for phase in Phase] == [False, True, True]
    assert load(phase="scale", protect="never").protect is False
    assert load(protect="always").protect is True


def test_the_stack_overrides_region_range_price_and_tag(load: Load) -> None:
    chosen = load(
        region="fra1", ipRange="10.99.0.0/20", prices='{"db-s-1vcpu-1gb": 17.5}', imageTags='{"shop-api": "1.4.2"}'
    )
    assert (chosen.region, chosen.ip_range) == ("fra1", "10.99.0.0/20")
    plain = load(region="", ipRange="")
    assert (plain.region, plain.ip_range) == ("nyc1", "10.20.0.0/16")
    assert chosen.monthly_usd == 17.5
    assert chosen.apps[0].tag == "1.4.2"


def test_an_app_knows_its_pool_and_its_domains(load: Load) -> None:
    app = load().apps[0]
    assert (app.cluster, app.pool, app.domains) == ("main", "web", ("api.shop.example",))


def test_config_of_other_namespaces_is_left_alone(load: Load, root: Path) -> None:
    load()
    config = {"trellis:system": "shop", "digitalocean:apiEndpoint": "http://127.0.0.1:7080"}
    assert settings.load(config, root, stack="dev").system == "shop"


def test_the_project_declares_every_key_with_a_description_and_the_same_default() -> None:
    project = yaml.safe_load((Path(__file__).resolve().parents[2] / "Pulumi.yaml").read_text())["config"]
    fields = {field.alias: field for field in StackConfig.model_fields.values()}
    assert set(project) == set(fields)
    defaults = {key: declared["default"] for key, declared in project.items() if key != "system"}
    assert StackConfig.model_validate({"system": "x", **defaults}) == StackConfig(system="x")
    assert all(declared["type"] and declared["description"] for declared in project.values())
