"""Every mistake stops before anything is built and names its place and what is allowed."""

import json
import re
from pathlib import Path

import pytest

from tests.settings.conftest import SYSTEM, Load
from trellis import settings
from trellis.settings import SettingsError

FILE = [
    pytest.param(
        ("    version:", "    versoin: 1\n    version:"),
        "systems/shop.yaml:8, clusters.main.versoin: unknown key. Allowed here: name, engine, version, users,",
        id="unknown key",
    ),
    pytest.param(
        ('version: "17"', 'version: "12"'),
        "systems/shop.yaml:8, clusters.main.version: '12' is no PostgreSQL version. Allowed: 13, 14, 15, 16, 17, 18.",
        id="version",
    ),
    pytest.param(
        ("    pools:", "      shop: {}\n    pools:"),
        "systems/shop.yaml:13, clusters.main.databases.shop: this name stands twice; the first is on line 11.",
        id="two databases of one name",
    ),
    pytest.param(
        ("app_role: shop_app", "app_role: shop_ap"),
        "systems/shop.yaml:12, clusters.main.databases.shop.roles.app_role: nobody defines the user 'shop_ap'. "
        "Known: shop_app.",
        id="undefined role",
    ),
    pytest.param(
        ("{database: shop,", "{database: shp,"),
        "systems/shop.yaml:14, clusters.main.pools.web.database: nobody defines the database 'shp'. Known: shop.",
        id="pool on a missing database",
    ),
    pytest.param(
        ("main.web", "main.wbe"),
        "systems/shop.yaml:18, apps.shop-api.pool: nobody defines the pool 'main.wbe'. Known: main.web.",
        id="app on a missing pool",
    ),
    pytest.param(
        ("network:", "objectives: {rto: 15 minutes, rpo: 10m}\nnetwork:"),
        "objectives.rto: '15 minutes' is no period such as 15m, 2h or 1d.",
        id="period",
    ),
    pytest.param(
        ("network:", "backups: {to: s3://x}\nnetwork:"),
        "backups.to: 's3://x' does not have the form",
        id="place of backups",
    ),
    pytest.param(
        ("network:", "backups: {to: dumps, recipients: [AGE-SECRET-KEY-1]}\nnetwork:"),
        "backups.recipients.0: this is no public key of age, which begins with age1.",
        id="recipient",
    ),
    pytest.param(
        ("${pool.url}", "${pool.uri}"),
        "systems/shop.yaml:20, apps.shop-api.environment.DATABASE_URL: nobody defines the reference 'pool.uri'. "
        "Known: pool.url, pool.host,",
        id="unknown reference",
    ),
    pytest.param(
        ("${pool.url}", "${pool.url"),
        "systems/shop.yaml:20, apps.shop-api.environment.DATABASE_URL: a `${` has no `}`.",
        id="unclosed reference",
    ),
    pytest.param(
        ("{repository: shop-api}", "{repository: shop-api, tag: 1.0 beta}"),
        "systems/shop.yaml:17, apps.shop-api.image.tag: '1.0 beta' does not have the form",
        id="tag with a space",
    ),
    pytest.param(
        ("    users:", "    phases: {growth: {plan: db-s-4vcpu-8gb}}\n    users:"),
        "clusters.main.phases.scale.plan: db-s-2vcpu-4gb is smaller than db-s-4vcpu-8gb of growth. A disk can grow and",
        id="a plan that shrinks",
    ),
    pytest.param(
        ("name: shop\n", "name: shop\n17: x\n"),
        "systems/shop.yaml:2: a key is a text, and '17' without quotes is none.",
        id="a number as a key",
    ),
    pytest.param(("region: nyc1", "region: 2024-02-31"), "region: '2024-02-31' is no region.", id="a date"),
    pytest.param(("users: [shop_app]", "users:"), "clusters.main.users: expected a list, not nothing.", id="nothing"),
    pytest.param(
        ("${pool.url}", "${apps.shop-ap.url}"),
        "systems/shop.yaml:20, apps.shop-api.environment.DATABASE_URL: nobody defines the app 'shop-ap'. "
        "Known: shop-api.",
        id="reference to a missing app",
    ),
    pytest.param(
        ("${pool.url}", "${apps.shop-api.uri}"),
        "nobody defines the reference 'apps.shop-api.uri'. Known: pool.url,",
        id="unknown part of an app",
    ),
    pytest.param(
        ("{app: shop-api}", "{app: shop-web}"),
        "systems/shop.yaml:24, dns.records.api.shop.example.app: nobody defines the app 'shop-web'. Known: shop-api.",
        id="DNS name of a missing app",
    ),
    pytest.param(
        ("api.shop.example:", "api.store.example:"),
        "systems/shop.yaml:24, dns.records.api.store.example: not in the zone shop.example.",
        id="name outside the zone",
    ),
    pytest.param(
        ("10.20.0.0/16", "100.20.0.0/16"),
        "systems/shop.yaml:4, network.ip_range: 100.20.0.0/16 is not private. Allowed: inside 10.0.0.0/8,",
        id="public range",
    ),
    pytest.param(
        ("10.20.0.0/16", "10.0.0.0/8"),
        "systems/shop.yaml:4, network.ip_range: 10.0.0.0/8 is a /8. A VPC is a /16 to a /28.",
        id="range too wide",
    ),
    pytest.param(("region: nyc1", "region: nyc9"), "systems/shop.yaml:2, region: 'nyc9' is no region.", id="region"),
    pytest.param(
        ("    users:", "    phases:\n      launch: {plan: db-s-1vcpu-1gb, nodes: 2}\n    users:"),
        "systems/shop.yaml:10, clusters.main.phases.launch: 2 nodes of db-s-1vcpu-1gb: a 1 GiB cluster cannot have a "
        "standby.",
        id="standby on the smallest plan",
    ),
    pytest.param(
        ("    pools:", "    recovery_days: 30\n    pools:"),
        "systems/shop.yaml:13, clusters.main.recovery_days: 30 days asked; DigitalOcean keeps 7 on every plan. "
        "Ask for 7 or less, and keep dumps for what is older.",
        id="more point-in-time recovery than there is",
    ),
    pytest.param(
        ("region: nyc1", "region: nyc1\nmodes: [managed, self-hosted]"),
        "systems/shop.yaml:7, clusters.main: the mode self-hosted needs the key `self_hosted` here.",
        id="self-hosted without a machine",
    ),
    pytest.param(
        ("user: shop_app}", "user: shop_app, fit: true}"),
        "systems/shop.yaml:14, clusters.main.pools.web.fit: only a pool with a size can be fitted.",
        id="a share that is fitted",
    ),
    pytest.param(
        ("    pool: main.web", "    pool: main.web\n    cache: shared"),
        "systems/shop.yaml:19, apps.shop-api.cache: nobody defines the cache 'shared'. Known: none.",
        id="missing cache",
    ),
    pytest.param(
        ("${pool.url}", "${cache.url}"),
        "systems/shop.yaml:20, apps.shop-api.environment.DATABASE_URL: ${cache.url} needs the key `cache` in this app.",
        id="a reference to a cache that the app does not use",
    ),
    pytest.param(
        ("apps:", "caches:\n  shared: {name: shop-db}\napps:"),
        "systems/shop.yaml:7, clusters.main.name: 'shop-db' is the name of another cluster or cache too.",
        id="a cache and a cluster of one name",
    ),
    pytest.param(
        ("user: shop_app}", "user: shop_app, size: 18}"),
        "systems/shop.yaml:14, clusters.main.pools.web.size: 18 connections asked, 17 left.\n"
        "The plan db-s-1vcpu-1gb allows 22; 5 are kept for migrations and monitoring. "
        "Ask for 17 or less, or move trellis:phase from launch to growth (47).",
        id="pool above the budget",
    ),
    pytest.param(
        ("        roles:", "        migrations: shop/gone\n        roles:"),
        "systems/shop.yaml:11, clusters.main.databases.shop: there is no folder migrations/shop/gone.",
        id="missing migrations",
    ),
    pytest.param(("name: shop\n", ""), "systems/shop.yaml, name: this key is needed and missing.", id="missing key"),
    pytest.param(("name: shop\n", "name: shop\n\t- x\n"), "systems/shop.yaml:2: not valid YAML:", id="broken YAML"),
]


@pytest.mark.parametrize(("change", "message"), FILE)
def test_a_mistake_in_the_system_file(load: Load, change: tuple[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(change)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("system", "shp", "trellis:system: there is no system 'shp'. Known: shop"),
        ("phase", "growht", "trellis:phase: 'growht' is not allowed. Allowed: 'launch', 'growth', 'scale'"),
        ("region", "nyc9", "trellis:region: 'nyc9' is no region. Allowed: ams3,"),
        ("phse", "launch", "trellis:phse: unknown key. Allowed here: system, environment, phase, mode, fallback,"),
        (
            "mode",
            "self-hosted",
            "trellis:mode: shop does not offer 'self-hosted'. Offered in systems/shop.yaml: managed",
        ),
        ("ipRange", "8.8.0.0/16", "trellis:ipRange: 8.8.0.0/16 is not private"),
        ("trustedSources", '["2001:db8::1"]', "trellis:trustedSources.0: 2001:db8::1 is IPv6"),
        ("trustedSources", '["10.0.0.1/8"]', "trellis:trustedSources.0: '10.0.0.1/8' is no IPv4 address or range"),
        ("imageTags", '{"shop-web": "2"}', "trellis:imageTags.shop-web: shop has no such app. Known: shop-api"),
        ("prices", '{"db-tiny": 1}', "trellis:prices.db-tiny: 'db-tiny' is no plan, Droplet size or app size"),
        ("protect", "maybe", "trellis:protect: 'maybe'"),
        ("fallback", "self-hosted", "trellis:fallback: shop does not offer 'self-hosted'"),
        ("layout", "each", "trellis:layout: 'each' is not allowed. Allowed: 'shared', 'per-database'"),
        (
            "abandon",
            "shop-db",
            "trellis:abandon: 'shop-db' is not allowed. Allowed: 'managed', 'self-hosted', 'shared', 'per-database'",
        ),
        ("caches", '["main"]', "trellis:caches: 'main' is no optional cache of shop. Known: none"),
        ("droplets", "false", "trellis:droplets: shop has no Droplets beside its clusters"),
        ("seedData", "true", "trellis:seedData: test data does not go into production. Nothing was changed."),
        ("logins", '{"shop": {"serves": 2}}', "trellis:logins.shop: shop has no such user. Known: shop_app."),
        ("logins", '{"shop_app": {"serves": 3}}', "trellis:logins.shop_app.serves: 3 is not allowed. Allowed: 1, 2"),
        ("from", '{"shops": "postgresql://h/d"}', "trellis:from.shops: shop has no such database. Known:"),
        (
            "copyTo",
            '{"region": "nyc1", "ipRange": "10.30.0.0/16"}',
            "trellis:copyTo: nyc1 is the system's own region. Name another",
        ),
        (
            "copyTo",
            '{"region": "sfo3", "ipRange": "10.20.128.0/20"}',
            "trellis:copyTo: 10.20.128.0/20 overlaps 10.20.0.0/16, the range of the system's VPC",
        ),
        ("copyTo", '{"region": "sfo3"}', "trellis:copyTo.ipRange: this key is needed and missing"),
        ("imageTags", '{"shop-api": "1.0 beta"}', "trellis:imageTags.shop-api: '1.0 beta' does not have the form"),
        ("sshKeys", '["ssh-ed25519 AAAA me"]', "trellis:sshKeys.0: this is neither the id nor the fingerprint"),
        ("connectionFiles", "../secrets", "trellis:connectionFiles: '../secrets' leads out of the project."),
        ("connectionFiles", "~/secrets", "trellis:connectionFiles: '~/secrets' leads out of the project."),
        ("sshKeys", '[{"id": 1}]', "trellis:sshKeys.0: expected a text, not keys and values"),
        ("nameSuffix", "Staging", "trellis:nameSuffix: 'Staging' does not have the form"),
        ("nameSuffix", "-staging", "trellis:nameSuffix: '-staging' does not have the form"),
        ("dnsZone", "shop", "trellis:dnsZone: 'shop' does not have the form"),
        (
            "hosts",
            '{"www.shop.example": "www-staging.shop.example"}',
            "trellis:hosts.www.shop.example: shop has no such DNS name. Known: api.shop.example",
        ),
        (
            "hosts",
            '{"api.shop.example": "api.store.example"}',
            "trellis:hosts.api.shop.example: api.store.example is not in the zone shop.example. trellis:dnsZone names",
        ),
    ],
)
def test_a_mistake_in_the_stack_config(load: Load, key: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(**{key: value})
    assert str(raised.value).startswith("Pulumi.dev.yaml, ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("change", "suffix", "message"),
    [
        (
            ("name: shop-db", f"name: {'d' * 50}"),
            "staging",
            f"the read replica {'d' * 50}-replica-1 becomes {'d' * 50}-replica-1-staging, 68 characters. "
            "DigitalOcean takes 63: shorten the suffix or the name by 5.",
        ),
        (
            ("  shop-api:\n", "  shop-api: {image: {repository: x}}\n  shop-api-of-our-partners:\n"),
            "qualification",
            "the app shop-api-of-our-partners becomes shop-api-of-our-partners-qualification, 38 characters. "
            "DigitalOcean takes 32: shorten the suffix or the name by 6.",
        ),
    ],
)
def test_a_suffix_that_makes_a_name_too_long(load: Load, change: tuple[str, str], suffix: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(change, nameSuffix=suffix)
    assert str(raised.value) == f"Pulumi.dev.yaml, trellis:nameSuffix: {message}"


def test_two_names_of_the_file_that_become_one(load: Load) -> None:
    with pytest.raises(SettingsError) as raised:
        load(
            (
                "    api.shop.example: {app: shop-api}",
                "    api.shop.example: {app: shop-api}\n    shop.example: {app: shop-api}",
            ),
            hosts='{"api.shop.example": "shop.example"}',
        )
    assert "trellis:hosts.api.shop.example: shop.example is what api.shop.example and shop.example become." in str(
        raised.value
    )


def test_a_zone_for_a_system_without_dns_names(load: Load) -> None:
    with pytest.raises(SettingsError, match="trellis:dnsZone: shop has no DNS names"):
        load(
            ("dns:\n  zone: shop.example\n  records:\n    api.shop.example: {app: shop-api}\n", ""),
            dnsZone="shop.example",
        )


def test_apps_without_dns_names_that_need_each_other(load: Load) -> None:
    web = "  shop-web:\n    image: {repository: web}\n    environment: {API: '${apps.shop-api.host}'}\n"
    with pytest.raises(SettingsError) as raised:
        load(
            ("apps:\n", "apps:\n" + web),
            ("${pool.url}", "${apps.shop-web.url}"),
            ("dns:\n  zone: shop.example\n  records:\n    api.shop.example: {app: shop-api}\n", ""),
        )
    assert "needs the address of shop-web" in str(raised.value)
    assert "Give one of them a DNS name" in str(raised.value)


@pytest.mark.parametrize("phase", ["growth", "scale"])
def test_the_whole_internet_is_no_trusted_source_after_launch(load: Load, phase: str) -> None:
    assert load(trustedSources='["0.0.0.0/0"]').trusted_sources == ("0.0.0.0/0",)
    for source, admitted in (("0.0.0.0/0", "the whole internet"), ("128.0.0.0/1", "2,147,483,648 addresses")):
        with pytest.raises(SettingsError, match=rf"{re.escape(source)} admits {admitted}, .* {phase} "):
            load(trustedSources=json.dumps([source]), phase=phase)


def test_a_file_that_is_not_utf8(root: Path) -> None:
    (root / "systems" / "shop.yaml").write_bytes(SYSTEM.encode() + b"# \xff\n")
    with pytest.raises(SettingsError, match=r"systems/shop\.yaml: not UTF-8 at byte"):
        settings.load({"trellis:system": "shop"}, root, stack="dev")


def test_a_system_is_named_like_its_file(root: Path) -> None:
    (root / "systems" / "store.yaml").write_text(SYSTEM)
    with pytest.raises(SettingsError, match="a system is named like its file"):
        settings.load({"trellis:system": "store"}, root, stack="dev")


def test_every_complaint_is_told_at_once(load: Load) -> None:
    with pytest.raises(SettingsError) as raised:
        load(('version: "17"', 'version: "9"'), ("region: nyc1", "region: moon"))
    assert len(str(raised.value).splitlines()) == 2
