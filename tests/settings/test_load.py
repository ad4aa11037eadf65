"""What a system file and a stack's config become."""

import json
from pathlib import Path

import pytest
import yaml

from tests.settings.conftest import Load
from trellis import settings
from trellis.settings import PLANS, Phase, SettingsError
from trellis.settings.stack import StackConfig


@pytest.mark.parametrize(
    ("phase", "plan", "limit", "storage", "usd"),
    [
        ("launch", "db-s-1vcpu-1gb", 22, 10, 15.15),
        ("growth", "db-s-1vcpu-2gb", 47, 30, 30.45),
        ("scale", "db-s-2vcpu-4gb", 97, 60, 60.90),
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
    assert cluster.monthly_usd == pytest.approx(3 * 122.10)


@pytest.mark.parametrize(
    ("state", "serving", "resting", "both"),
    [
        ({"serves": 1}, "shop_app", "shop_app_2", False),
        ({"serves": 2}, "shop_app_2", "shop_app", False),
        ({"serves": 2, "changing": "both"}, "shop_app_2", "shop_app", True),
        ({"serves": 2, "changing": "closing"}, "shop_app_2", "shop_app", False),
    ],
)
def test_the_logins_of_a_role_take_turns(
    load: Load, state: dict[str, object], serving: str, resting: str, both: bool
) -> None:
    cluster = load(logins=json.dumps({"shop_app": state})).clusters[0]
    logins = cluster.logins["shop_app"]
    assert (logins.serving, logins.resting, logins.both) == (serving, resting, both)
    assert cluster.serving("shop_app") == serving
    assert (cluster.users, cluster.every_login) == (("shop_app",), ("shop_app", "shop_app_2"))


def test_a_role_that_was_never_rotated_is_its_only_login(load: Load) -> None:
    cluster = load().clusters[0]
    assert (cluster.logins, cluster.serving("shop_app"), cluster.every_login) == ({}, "shop_app", ("shop_app",))


@pytest.mark.parametrize(
    ("users", "role", "complaint"),
    [
        (
            "[shop_app, shop_app_2]",
            "shop_app",
            "its second login would be shop_app_2, and shop has a user of that name",
        ),
        (
            f"[shop_app, {'a' * 62}]",
            "a" * 62,
            f"its second login would be {'a' * 62}_2, and PostgreSQL's names have 63",
        ),
    ],
)
def test_a_second_login_whose_name_cannot_be(load: Load, users: str, role: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load(("users: [shop_app]", f"users: {users}"), logins=json.dumps({role: {"serves": 1}}))


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
    assert chosen.monthly_usd == 22.5
    assert chosen.apps[0].tag == "1.4.2"


def test_the_stack_chooses_a_version(load: Load) -> None:
    assert load(version="18").clusters[0].version == "18"
    assert load(version="").clusters[0].version == "17"
    older = ('version: "17"', 'version: "15"')
    with pytest.raises(SettingsError, match="the advanced edition has no PostgreSQL 15"):
        load(older, edition="advanced")
    assert load(older, edition="advanced", version="17").clusters[0].version == "17"


def test_an_app_knows_its_pool_and_its_domains(load: Load) -> None:
    app = load().apps[0]
    assert (app.cluster, app.pool, app.domains) == ("main", "web", ("api.shop.example",))


def test_dns_names_are_the_files_unless_the_stack_has_its_own(load: Load) -> None:
    def hosts(**config: str) -> tuple[str, list[tuple[str, str]]]:
        dns = load(**config).dns
        assert dns
        return dns.zone, [(record.key, record.host) for record in dns.records]

    key = "api.shop.example"
    assert hosts(hosts="{}", dnsZone="") == ("shop.example", [(key, key)])
    assert hosts(dnsZone="shop.dev") == ("shop.dev", [(key, "api.shop.dev")])
    own = json.dumps({key: "api-staging.shop.example"})
    assert hosts(hosts=own) == ("shop.example", [(key, "api-staging.shop.example")])
    assert load(hosts=own).apps[0].domains == ("api-staging.shop.example",)


def test_an_app_comes_after_those_whose_address_it_needs(load: Load) -> None:
    web = "  a-web:\n    image: {repository: web}\n    environment: {API: '${apps.shop-api.host}'}\n"
    with_names = load(("apps:\n", "apps:\n" + web))
    assert [app.name for app in with_names.apps] == ["a-web", "shop-api"]
    without = load(
        ("apps:\n", "apps:\n" + web),
        ("dns:\n  zone: shop.example\n  records:\n    api.shop.example: {app: shop-api}\n", ""),
    )
    assert [app.name for app in without.apps] == ["shop-api", "a-web"]


def test_a_fitted_pool_takes_what_is_left_and_says_so(load: Load) -> None:
    asked = ("user: shop_app}", "user: shop_app, size: 25, fit: true}")
    launched = load(asked)
    assert launched.clusters[0].budget.pools == {"web": 17}
    assert launched.notes == (
        "systems/shop.yaml:14, clusters.main.pools.web.size: 25 connections asked, 17 given. The plan db-s-1vcpu-1gb "
        "allows 22; 5 are kept for migrations and monitoring. With trellis:phase growth it allows 47.",
    )
    grown = load(asked, phase="growth")
    assert (grown.clusters[0].budget.pools, grown.notes) == ({"web": 25}, ())


TWO_DATABASES = (
    ("    users: [shop_app]", "    users: [shop_app, stock_app]"),
    ("    pools:", "      stock_db: {migrations: shop/shop, roles: {app_role: stock_app}}\n    pools:"),
    ("user: shop_app}", "user: shop_app}\n      stock: {database: stock_db, user: stock_app}"),
)


def test_databases_share_a_cluster_or_get_one_each(load: Load) -> None:
    (shared,) = load(*TWO_DATABASES).clusters
    assert dict(shared.budget.pools) == {"web": 8, "stock": 9}
    apart = load(*TWO_DATABASES, layout="per-database")
    assert [(cluster.key, cluster.name, cluster.users, dict(cluster.budget.pools)) for cluster in apart.clusters] == [
        ("main-shop", "shop-db-shop", ("shop_app",), {"web": 17}),
        ("main-stock-db", "shop-db-stock-db", ("stock_app",), {"stock": 17}),
    ]
    assert (apart.apps[0].cluster, apart.apps[0].pool) == ("main-shop", "web")
    assert apart.monthly_usd == 35.30


SELF_HOSTED = (
    ("region: nyc1", "region: nyc1\nmodes: [managed, self-hosted]"),
    ("    users:", "    self_hosted: {}\n    users:"),
    ("    pool: main.web\n", ""),
    ("DATABASE_URL: ${pool.url}", "PLAIN: text"),
)


def test_a_self_hosted_cluster_is_a_droplet_with_the_memory_and_the_disk_of_the_plan(load: Load) -> None:
    for phase, droplet, limit, storage, usd in (
        ("launch", "s-1vcpu-1gb", 22, 10, 6 + 1 + 5),
        ("growth", "s-1vcpu-2gb", 47, 30, 12 + 3 + 5),
        ("scale", "s-2vcpu-4gb", 97, 60, 24 + 6 + 5),
    ):
        chosen = load(*SELF_HOSTED, mode="self-hosted", phase=phase)
        (cluster,) = chosen.clusters
        assert (cluster.plan.slug, cluster.budget.limit, cluster.plan.storage_gib) == (droplet, limit, storage)
        assert chosen.monthly_usd == usd + 5
        assert cluster.self_hosted is not None
    assert load(*SELF_HOSTED).clusters[0].self_hosted is None


def test_a_rotation_of_managed_clusters_alone_is_none_of_a_self_hosted_one_s(load: Load) -> None:
    of_managed, of_both = ({"shop_app": {"serves": 2, **more}} for more in ({}, {"round": 3}))
    cluster = load(*SELF_HOSTED, mode="self-hosted", logins=json.dumps(of_managed)).clusters[0]
    assert (cluster.logins, cluster.serving("shop_app")) == ({}, "shop_app")
    for chosen in (
        load(logins=json.dumps(of_both)),
        load(*SELF_HOSTED, mode="self-hosted", logins=json.dumps(of_both)),
    ):
        logins = chosen.clusters[0].logins["shop_app"]
        assert (logins.serving, logins.made_in("shop_app"), logins.made_in("shop_app_2")) == ("shop_app_2", 3, 3)


@pytest.mark.parametrize("version", ["13", "14"])
def test_a_version_in_which_every_login_may_create_is_not_self_hosted(load: Load, version: str) -> None:
    older = ('version: "17"', f'version: "{version}"')
    with pytest.raises(settings.SettingsError, match=rf"PostgreSQL {version} is not offered in the mode self-hosted\."):
        load(*SELF_HOSTED, older)
    assert load(older).clusters[0].version == version


def test_a_self_hosted_pool_has_no_name_that_pgbouncer_keeps(load: Load) -> None:
    with pytest.raises(settings.SettingsError, match=r"pools\.pgbouncer: PgBouncer keeps this name"):
        load(*SELF_HOSTED, ("web: {", "pgbouncer: {"))


def test_test_data_is_for_development(load: Load, root: Path) -> None:
    with pytest.raises(
        settings.SettingsError, match=r"shop has no test data\. Put SQL into migrations/shop/<database>\.seeds/"
    ):
        load(environment="development", seedData="true")
    (root / "migrations" / "shop" / "shop.seeds").mkdir(parents=True)
    (database,) = load(environment="development", seedData="true").clusters[0].databases
    assert database.seeds == root / "migrations" / "shop" / "shop.seeds"
    assert load(environment="development").clusters[0].databases[0].seeds is None


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
