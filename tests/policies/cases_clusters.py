"""Cases of the policies on networks, clusters, pools and alerts."""

from collections.abc import Sequence
from typing import Any

from pulumi_policy import PolicyResource

from policies.kinds import (
    APP,
    BUCKET,
    CLOUD_FIREWALL,
    CLUSTER,
    DATABASE,
    DROPLET,
    FIREWALL,
    MONITOR_ALERT,
    PHASE,
    POOL,
    POOL_SIZE,
    REPLICA,
    VOLUME,
    VPC,
)
from policies.monitoring import ALERTS
from tests.policies.judging import UNKNOWN, Case, made

GROWTH = {"phase": "growth"}
LAUNCH = {"phase": "launch"}


def cluster(**properties: Any) -> PolicyResource:
    """A PostgreSQL cluster whose id only `up` will know."""
    return made(CLUSTER, "db", {"id": UNKNOWN, "name": "db", "engine": "pg", "size": "db-s-1vcpu-1gb", **properties})


def trusted(*rules: Any, of: PolicyResource | None = None) -> PolicyResource:
    """A list of trusted sources."""
    return made(FIREWALL, "trusted", {"clusterId": UNKNOWN, "rules": list(rules)}, of={"clusterId": of} if of else None)


def address(value: str) -> dict[str, str]:
    """A rule for an address or a range."""
    return {"type": "ip_addr", "value": value}


def pool(of: PolicyResource, **properties: Any) -> PolicyResource:
    """A pool of a cluster."""
    name = properties.get("name", "pool")
    return made(
        POOL, name, {"name": name, "clusterId": UNKNOWN, "mode": "transaction", **properties}, of={"clusterId": of}
    )


def alerts(
    of: PolicyResource, kinds: Sequence[str] = tuple(ALERTS.values()), **properties: Any
) -> list[PolicyResource]:
    """An alert of each kind."""
    return [
        made(MONITOR_ALERT, f"alert-{number}", {"entities": [UNKNOWN], "type": kind, **properties}, of={"entities": of})
        for number, kind in enumerate(kinds)
    ]


def _of_both(firewall: PolicyResource, *clusters: PolicyResource) -> PolicyResource:
    firewall.property_dependencies["clusterId"] = list(clusters)
    return firewall


def ignoring(kind: str, path: str, **properties: Any) -> PolicyResource:
    """A resource whose program ignores changes of a property."""
    one = made(kind, "one", properties)
    one.opts.ignore_changes.append(path)
    return one


def unchanged(of: PolicyResource, what: str) -> PolicyResource:
    """A pool of which something changes in the program alone."""
    one = pool(of, size=5)
    one.opts.ignore_changes.append(what)
    return one


def inbound(ports: str | None, *sources: str) -> PolicyResource:
    """A firewall of Droplets."""
    rule = {"protocol": "tcp", "portRange": ports, "sourceAddresses": list(sources)}
    return made(CLOUD_FIREWALL, "wall", {"name": "wall", "inboundRules": [rule]})


def replica(of: PolicyResource, **properties: Any) -> PolicyResource:
    """A replica of a cluster."""
    return made(REPLICA, "copy", {"clusterId": UNKNOWN, **properties}, of={"clusterId": of})


_UNHEARD: dict[str, dict[str, Any]] = {
    "that never fires": {"compare": "GreaterThan", "value": 100},
    "the wrong way round": {"compare": "LessThan", "value": 80},
    "that nobody hears": {"alerts": {"emails": []}},
}
NETWORK = made(VPC, "net", {"id": "n1", "region": "nyc1"})
IN_NETWORK = {"privateNetworkUuid": "n1", "region": "nyc1"}
SERVER = made(
    DROPLET, "server", {"id": "17", "tags": ["database"], "userData": "#!/bin/sh\napt-get install postgresql"}
)
DB = cluster()
OLD = cluster(id="5f0c", nodeCount=2)
VPC_RANGE = address("10.0.0.0/16")
APP_RULE = {"type": "app", "value": "4f6c"}
VPC_APP = made(APP, "web", {"spec": {"name": "web", "vpcs": [{"id": UNKNOWN}]}})

CASES = (
    Case(policy="cluster-in-vpc", title="in a VPC", resources=[cluster(privateNetworkUuid="ab")]),
    Case(policy="cluster-in-vpc", title="in a VPC to come", resources=[cluster(privateNetworkUuid=UNKNOWN)]),
    Case(policy="cluster-in-vpc", title="in none", resources=[cluster()], breaks="db has no privateNetworkUuid"),
    Case(
        policy="cluster-in-vpc",
        title="a replica in none",
        resources=[made(REPLICA, "copy", {"clusterId": UNKNOWN, "privateNetworkUuid": ""})],
        breaks="copy has no privateNetworkUuid",
    ),
    Case(policy="one-list-of-trusted-sources", title="one", resources=[DB, trusted(VPC_RANGE, of=DB)]),
    Case(
        policy="one-list-of-trusted-sources",
        title="one, by a known id",
        resources=[OLD, made(FIREWALL, "trusted", {"clusterId": "5f0c", "rules": [VPC_RANGE]})],
    ),
    Case(policy="one-list-of-trusted-sources", title="none", resources=[DB], breaks="db has no DatabaseFirewall"),
    Case(
        policy="one-list-of-trusted-sources",
        title="one of another cluster",
        resources=[OLD, made(FIREWALL, "trusted", {"clusterId": "77aa", "rules": [VPC_RANGE]})],
        breaks="db has no DatabaseFirewall",
    ),
    Case(
        policy="one-list-of-trusted-sources",
        title="two",
        resources=[DB, trusted(of=DB), made(FIREWALL, "more", {"clusterId": UNKNOWN}, of={"clusterId": DB})],
        breaks="2 DatabaseFirewall resources, more, trusted",
    ),
    Case(policy="trusted-sources-not-empty", title="a rule", resources=[trusted(VPC_RANGE)]),
    Case(
        policy="trusted-sources-not-empty",
        title="rules to come",
        resources=[made(FIREWALL, "trusted", {"rules": UNKNOWN})],
    ),
    Case(policy="trusted-sources-not-empty", title="no rule", resources=[trusted()], breaks="an empty list"),
    Case(policy="trusted-source-range", title="the VPC", resources=[trusted(VPC_RANGE, address("203.0.113.7"))]),
    Case(
        policy="trusted-source-range",
        title="a VPC to come",
        resources=[trusted(address(UNKNOWN))],
        waits=["rules[0].value"],
    ),
    Case(
        policy="trusted-source-range",
        title="the internet after a VPC to come",
        resources=[trusted(address(UNKNOWN), address("0.0.0.0/0"))],
        breaks="0.0.0.0/0 is the whole internet",
        waits=["rules[0].value"],
    ),
    Case(
        policy="trusted-source-range",
        title="a /8",
        resources=[trusted(address("10.0.0.0/8"))],
        breaks="wider than a /16",
    ),
    Case(
        policy="trusted-source-range",
        title="a /20 where /24 is asked",
        resources=[trusted(address("10.0.0.0/20"))],
        settings={"widestPrefix": 24},
        breaks="wider than a /24: 4096 addresses",
    ),
    Case(policy="trusted-source-range", title="IPv6", resources=[trusted(address("2001:db8::1"))], breaks="no IPv6"),
    Case(policy="trusted-source-range", title="a name", resources=[trusted(address("office"))], breaks="neither"),
    Case(policy="public-range-has-reason", title="private", resources=[trusted(VPC_RANGE, address("198.51.100.7"))]),
    Case(
        policy="public-range-has-reason",
        title="explained",
        resources=[trusted(address("198.51.100.0/28"))],
        settings={"reasons": {"198.51.100.0/28": "the office in Lisbon"}},
    ),
    Case(
        policy="public-range-has-reason",
        title="unexplained beside one to come",
        resources=[trusted(address(UNKNOWN), address("198.51.100.0/28"))],
        breaks="198.51.100.0/28 is a public range of 16 addresses",
        waits=["rules[0].value"],
    ),
    Case(policy="trusted-sources-count", title="few", resources=[trusted(VPC_RANGE, address(UNKNOWN))]),
    Case(
        policy="trusted-sources-count",
        title="rules to come",
        resources=[made(FIREWALL, "trusted", {"rules": UNKNOWN})],
        waits=["rules"],
    ),
    Case(
        policy="trusted-sources-count",
        title="too many",
        resources=[trusted(VPC_RANGE, address(UNKNOWN))],
        settings={"most": 1},
        breaks="2 rules; DigitalOcean takes 1",
    ),
    Case(policy="app-rule-not-alone", title="with the VPC", resources=[VPC_APP, trusted(APP_RULE, VPC_RANGE)]),
    Case(policy="app-rule-not-alone", title="no app", resources=[trusted(APP_RULE)]),
    Case(
        policy="app-rule-not-alone",
        title="beside a rule to come",
        resources=[VPC_APP, trusted(APP_RULE, {"type": UNKNOWN, "value": UNKNOWN})],
        waits=["rules[1].type"],
    ),
    Case(
        policy="app-rule-not-alone",
        title="alone",
        resources=[VPC_APP, trusted(APP_RULE)],
        breaks="by `app` rules alone",
    ),
    Case(
        policy="data-protected",
        title="protected",
        resources=[
            made(kind, "one", {"name": UNKNOWN}, protect=True) for kind in (CLUSTER, DATABASE, VPC, VOLUME, BUCKET)
        ],
    ),
    Case(
        policy="data-protected",
        title="a name to come",
        resources=[made(DATABASE, "shop", {"name": UNKNOWN})],
        stack=GROWTH,
        breaks="shop is not protected",
    ),
    Case(policy="data-protected", title="a cache", resources=[cluster(engine="valkey")]),
    Case(policy="data-protected", title="at launch", resources=[DB], stack=LAUNCH),
    Case(policy="data-protected", title="in development", resources=[made(CLUSTER, api="http://127.0.0.1:7080")]),
    Case(
        policy="data-protected",
        title="in a stack named for development",
        resources=[made(CLUSTER, stack="ada")],
        stack={"phase": "scale", "developmentStacks": ["ada"]},
    ),
    Case(
        policy="data-protected",
        title="in the phase that Trellis recorded",
        resources=[DB, made(PHASE, "phase", {"phase": "growth"})],
        stack={},
        breaks="db is not protected",
    ),
    Case(policy="data-protected", title="in no phase", resources=[DB], stack={}),
    Case(policy="data-not-replaced", title="kept", resources=[DB]),
    Case(
        policy="data-not-replaced",
        title="deleted first",
        resources=[made(CLUSTER, "db", {"name": UNKNOWN}, delete_before_replace=True)],
        breaks="db has deleteBeforeReplace",
    ),
    Case(policy="standby-or-replica", title="standby", resources=[OLD]),
    Case(
        policy="standby-or-replica",
        title="replica",
        resources=[DB, made(REPLICA, "copy", {"clusterId": UNKNOWN}, of={"clusterId": DB})],
    ),
    Case(policy="standby-or-replica", title="to come", resources=[cluster(nodeCount=UNKNOWN)], waits=["nodeCount"]),
    Case(policy="standby-or-replica", title="neither", resources=[DB], breaks="one node and no replica"),
    Case(policy="standby-or-replica", title="neither, in growth", resources=[DB], stack=GROWTH),
    Case(policy="version-supported", title="current", resources=[cluster(version="17")]),
    Case(policy="version-supported", title="another engine", resources=[cluster(engine="valkey", version="8")]),
    Case(policy="version-supported", title="to come", resources=[cluster(version=UNKNOWN)], waits=["version"]),
    Case(
        policy="version-supported", title="too old", resources=[cluster(version="11")], breaks="asks for PostgreSQL 11"
    ),
    Case(
        policy="version-supported",
        title="without fixes",
        resources=[cluster(version="13")],
        breaks="no fixes since 2025-11-13",
    ),
    Case(policy="version-end-of-life", title="far", resources=[cluster(version="17")]),
    Case(policy="version-end-of-life", title="to come", resources=[cluster(version=UNKNOWN)], waits=["version"]),
    Case(
        policy="version-end-of-life", title="near", resources=[cluster(version="14")], breaks="last fixes on 2026-11-12"
    ),
    Case(
        policy="version-end-of-life",
        title="near, and asked for later",
        resources=[cluster(version="14")],
        settings={"months": 1},
    ),
    Case(
        policy="maintenance-window",
        title="set",
        resources=[cluster(maintenanceWindows=[{"day": "sunday", "hour": UNKNOWN}])],
    ),
    Case(policy="maintenance-window", title="to come", resources=[cluster(maintenanceWindows=UNKNOWN)]),
    Case(
        policy="maintenance-window",
        title="a cache",
        resources=[cluster(engine="valkey")],
        breaks="no maintenance window",
    ),
    Case(policy="maintenance-window", title="none", resources=[DB], breaks="no maintenance window"),
    Case(policy="pools-within-plan", title="fits", resources=[DB, pool(DB, size=10), pool(DB, name="b", size=7)]),
    Case(
        policy="pools-within-plan",
        title="too many, one to come",
        resources=[DB, pool(DB, size=18), pool(DB, name="b", size=UNKNOWN)],
        breaks="18 connections (pool 18). The plan db-s-1vcpu-1gb allows 22; 5 are kept",
        waits=["size"],
    ),
    Case(
        policy="pools-within-plan",
        title="a plan to come",
        resources=[(to_come := cluster(size=UNKNOWN)), pool(to_come, size=900)],
        waits=["size"],
    ),
    Case(
        policy="pools-within-plan",
        title="a plan outside the catalogue",
        resources=[(large := cluster(size="gd-8vcpu-32gb")), pool(large, size=793)],
        breaks="The plan gd-8vcpu-32gb allows 797; 5 are kept for migrations and monitoring, so 792 are left",
    ),
    Case(
        policy="pools-within-plan",
        title="more head-room",
        resources=[DB, pool(DB, size=17)],
        settings={"headroom": 6},
        breaks="16 are left",
    ),
    Case(
        policy="pools-within-plan",
        title="too many, of which one was resized where it stands",
        resources=[DB, pool(DB, size=5), made(POOL_SIZE, "size", {"of": "pool", "wanted": {"size": 18}})],
        breaks="18 connections (pool 18). The plan db-s-1vcpu-1gb allows 22; 5 are kept",
    ),
    Case(
        policy="pool-changes-deployed",
        title="a size whose changes nobody carries out",
        resources=[DB, unchanged(DB, "size")],
        breaks="ignores changes of size",
    ),
    Case(
        policy="pool-changes-deployed",
        title="a user whose changes nobody carries out",
        resources=[DB, unchanged(DB, "user"), made(POOL_SIZE, "size", {"of": "another", "wanted": {"size": 5}})],
        breaks="ignores changes of user",
    ),
    Case(
        policy="pool-changes-deployed",
        title="carried out in place",
        resources=[DB, unchanged(DB, "user"), made(POOL_SIZE, "size", {"of": "pool", "wanted": {"size": 5}})],
    ),
    Case(policy="pool-mode-transaction", title="transaction", resources=[pool(DB)]),
    Case(policy="pool-mode-transaction", title="to come", resources=[pool(DB, mode=UNKNOWN)], waits=["mode"]),
    Case(
        policy="pool-mode-transaction", title="session", resources=[pool(DB, mode="session")], breaks="the mode session"
    ),
    Case(
        policy="pool-mode-transaction",
        title="session, and said so",
        resources=[pool(DB, mode="session")],
        settings={"sessions": ["pool"]},
    ),
    Case(policy="cluster-alerts", title="all", resources=[DB, *alerts(DB)]),
    Case(
        policy="cluster-alerts",
        title="all, by a known id",
        resources=[OLD, *(made(MONITOR_ALERT, kind, {"entities": ["5f0c"], "type": kind}) for kind in ALERTS.values())],
    ),
    Case(policy="cluster-alerts", title="a type to come", resources=[DB, *alerts(DB, [UNKNOWN])], waits=["type"]),
    Case(policy="cluster-alerts", title="none", resources=[DB], breaks="no alert for cpu, memory, disk, load"),
    Case(policy="cluster-alerts", title="off", resources=[DB, *alerts(DB, enabled=False)], breaks="no alert for cpu"),
    Case(
        policy="cluster-alerts",
        title="the one that is asked for",
        resources=[DB, *alerts(DB, [ALERTS["disk"]])],
        settings={"kinds": ["disk"]},
    ),
    Case(
        policy="cluster-alerts",
        title="a load above 100, which can be",
        resources=[DB, *alerts(DB, [ALERTS["load"]], value=120)],
        settings={"kinds": ["load"]},
    ),
    *(
        Case(
            policy="cluster-alerts",
            title=title,
            resources=[DB, *alerts(DB, [ALERTS["disk"]], **properties)],
            settings={"kinds": ["disk"]},
            breaks="no alert for disk",
        )
        for title, properties in _UNHEARD.items()
    ),
    Case(
        policy="cluster-alerts",
        title="told to somebody to come",
        resources=[DB, *alerts(DB, [ALERTS["disk"]], alerts={"emails": UNKNOWN}, value=UNKNOWN)],
        settings={"kinds": ["disk"]},
        waits=["value"],
    ),
    Case(policy="list-of-one-cluster", title="one", resources=[DB, made(CLUSTER, "b", {}), trusted(of=DB)]),
    Case(
        policy="list-of-one-cluster",
        title="two, all of it to come",
        resources=[
            (first := made(CLUSTER, "a", {"id": UNKNOWN})),
            (second := made(CLUSTER, "b", {"id": UNKNOWN})),
            _of_both(made(FIREWALL, "trusted", {"clusterId": UNKNOWN}), first, second),
        ],
        breaks="trusted is made from a, b",
    ),
    Case(policy="network-known", title="made here", resources=[NETWORK, cluster(privateNetworkUuid="n1")]),
    Case(
        policy="network-known",
        title="made here, to come",
        resources=[NETWORK, made(CLUSTER, "db", {"privateNetworkUuid": UNKNOWN})],
    ),
    Case(
        policy="network-known",
        title="said to be another stack's",
        resources=[cluster(privateNetworkUuid="5f0c")],
        settings={"networks": ["5f0c"]},
    ),
    Case(
        policy="network-known",
        title="nobody's",
        resources=[NETWORK, cluster(privateNetworkUuid="5f0c")],
        breaks="db is in the network 5f0c",
    ),
    Case(policy="region-of-network", title="the same", resources=[NETWORK, made(CLUSTER, "db", IN_NETWORK)]),
    Case(
        policy="region-of-network",
        title="to come",
        resources=[NETWORK, made(CLUSTER, "db", {**IN_NETWORK, "region": UNKNOWN})],
    ),
    Case(
        policy="region-of-network",
        title="a replica elsewhere",
        resources=[NETWORK, made(REPLICA, "copy", {**IN_NETWORK, "region": "ams3"})],
        breaks="copy is in ams3 and its network net in nyc1",
    ),
    Case(policy="changes-not-ignored", title="another property", resources=[ignoring(CLUSTER, "tags")]),
    Case(policy="changes-not-ignored", title="a value to come", resources=[ignoring(CLUSTER, "tags", name=UNKNOWN)]),
    *(
        Case(
            policy="changes-not-ignored",
            title=f"{path} of {kind}",
            resources=[ignoring(kind, path)],
            breaks=f"one ignores changes of {name}",
        )
        for kind, path, name in (
            (FIREWALL, "rules", "rules"),
            (FIREWALL, "rules[0].value", "rules"),
            (CLOUD_FIREWALL, "inboundRules", "inboundRules"),
            (APP, "spec.services[0].envs", "spec"),
            (CLUSTER, "*", "*"),
        )
    ),
    Case(policy="trusted-source-tag", title="none", resources=[trusted(VPC_RANGE)]),
    Case(
        policy="trusted-source-tag",
        title="a kind to come",
        resources=[trusted({"type": UNKNOWN, "value": "web"})],
        waits=["rules[0].type"],
    ),
    Case(
        policy="trusted-source-tag",
        title="a tag",
        resources=[trusted(VPC_RANGE, {"type": "tag", "value": "web"})],
        breaks="admits every Droplet with the tag web",
    ),
    Case(
        policy="trusted-source-range",
        title="the internet in two halves",
        resources=[trusted(address("0.0.0.0/1"), address("128.0.0.0/1"))],
        breaks="128.0.0.0/1 is wider than a /16",
    ),
    Case(
        policy="public-range-has-reason",
        title="98 single addresses",
        resources=[trusted(*(address(f"203.0.113.{number}") for number in range(98)))],
        breaks="trusted admits 98 public addresses, 203.0.113.0, 203.0.113.1, 203.0.113.2, …, without a reason",
    ),
    Case(
        policy="public-range-has-reason",
        title="a few single addresses more than may be, with a reason for one",
        resources=[trusted(*(address(f"203.0.113.{number}") for number in range(3)))],
        settings={"addresses": 2, "reasons": {"203.0.113.1": "the office in Lisbon"}},
    ),
    Case(policy="droplet-database-ports", title="the VPC", resources=[inbound("5432-6432", "10.0.0.0/16")]),
    Case(policy="droplet-database-ports", title="another port", resources=[inbound("443", "0.0.0.0/0", "::/0")]),
    Case(
        policy="droplet-database-ports",
        title="to come",
        resources=[inbound("5432", UNKNOWN), inbound(UNKNOWN, "0.0.0.0/0")],
        waits=["inboundRules[0].sourceAddresses[0]", "inboundRules[0].portRange"],
    ),
    *(
        Case(
            policy="droplet-database-ports",
            title=f"{ports!r} for {source}",
            resources=[inbound(ports, "10.0.0.0/16", source)],
            breaks=f"to {source}",
        )
        for ports, source in (
            ("5432", "0.0.0.0/0"),
            ("5000-6000", "::/0"),
            ("1-65535", "128.0.0.0/1"),
            ("all", "0.0.0.0/0"),
            ("0", "2000::/3"),
            (None, "0.0.0.0/0"),
        )
    ),
    Case(
        policy="droplet-behind-firewall",
        title="by its id",
        resources=[SERVER, made(CLOUD_FIREWALL, "wall", {"dropletIds": UNKNOWN}, of={"dropletIds": SERVER})],
    ),
    Case(
        policy="droplet-behind-firewall",
        title="by a known id",
        resources=[SERVER, made(CLOUD_FIREWALL, "wall", {"dropletIds": [17.0]})],
    ),
    Case(
        policy="droplet-behind-firewall",
        title="by a tag",
        resources=[SERVER, made(CLOUD_FIREWALL, "wall", {"tags": ["database"]})],
    ),
    Case(
        policy="droplet-behind-firewall",
        title="to come",
        resources=[made(DROPLET, "web", {"userData": UNKNOWN})],
        waits=["userData"],
    ),
    Case(
        policy="droplet-behind-firewall", title="no database", resources=[made(DROPLET, "web", {"userData": "nginx"})]
    ),
    Case(
        policy="droplet-behind-firewall",
        title="none",
        resources=[SERVER, made(CLOUD_FIREWALL, "wall", {"dropletIds": [18.0]})],
        breaks="server starts postgres and is behind no Firewall",
    ),
    Case(policy="pool-of-one-user", title="named", resources=[pool(DB, user="app")]),
    Case(policy="pool-of-one-user", title="to come", resources=[pool(DB, user=UNKNOWN)]),
    Case(policy="pool-of-one-user", title="nobody", resources=[pool(DB)], breaks="pool names no user"),
    Case(
        policy="standby-or-replica",
        title="a replica on another continent",
        resources=[(here := cluster(region="nyc1")), replica(here, region="ams3")],
        breaks="no replica that could take its place",
    ),
    Case(
        policy="standby-or-replica",
        title="in capitals",
        resources=[cluster(engine="PG")],
        breaks="one node and no replica",
    ),
    Case(
        policy="standby-or-replica",
        title="the other edition",
        resources=[cluster(engine="advanced_pg")],
        breaks="one node and no replica",
    ),
    Case(
        policy="version-supported",
        title="too old, in capitals",
        resources=[cluster(engine="PG", version="11")],
        breaks="asks for PostgreSQL 11",
    ),
    *(
        Case(
            policy="data-protected",
            title=f"a {kind}",
            resources=[made(kind, "data", {})],
            breaks="data is not protected",
        )
        for kind in (VOLUME, BUCKET)
    ),
)
