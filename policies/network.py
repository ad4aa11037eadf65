"""Who can reach a cluster."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pulumi_policy import Severity

from trellis.settings.catalogue import MAX_TRUSTED_SOURCES, WIDEST_TRUSTED_PREFIX

from .fields import UNKNOWN, Fields
from .kinds import (
    APP,
    BUCKET,
    BUCKET_OBJECT,
    BUCKET_POLICY,
    CLOUD_FIREWALL,
    CLUSTER,
    DROPLET,
    DROPLET_AUTOSCALE,
    FIREWALL,
    LOAD_BALANCER,
    MONITOR_ALERT,
    POOL,
    REPLICA,
    SPACES_KEY,
    VPC,
)
from .resources import SERVERS, Resource, Stack, is_attached
from .rules import Config, Finding, ResourceRule, Rule, StackRule

_DOCS = "https://docs.digitalocean.com/products/databases/postgresql"
_PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
)


# Ports that databases and their poolers listen on.
_PORTS = (3306, 5432, 6379, 6432, 25060, 25061, 27017)
# What the policies judge, type -> properties. A change that Pulumi is told to ignore is never deployed, and a
# resource that was opened by hand stays open.
_JUDGED = {
    APP: {"spec"},
    BUCKET: {"acl", "lifecycleRules", "versioning"},
    BUCKET_OBJECT: {"acl"},
    BUCKET_POLICY: {"policy"},
    CLOUD_FIREWALL: {"inboundRules", "tags"},
    CLUSTER: {"engine", "maintenanceWindows", "nodeCount", "privateNetworkUuid", "size", "storageSizeMib", "version"},
    FIREWALL: {"clusterId", "rules"},
    LOAD_BALANCER: {"firewall", "forwardingRules", "network"},
    MONITOR_ALERT: {"alerts", "compare", "enabled", "entities", "type", "value"},
    # Its size and user can be changed in place by another resource: pool-changes-deployed.
    POOL: {"mode"},
    REPLICA: {"privateNetworkUuid", "region", "size"},
    SPACES_KEY: {"grants"},
}


def _in_vpc(resource: Resource, _config: Config) -> Iterator[str]:
    if not resource.fields.has("privateNetworkUuid"):
        yield f"{resource.called} has no privateNetworkUuid."


def _one_list(stack: Stack, _config: Config) -> Iterator[Finding]:
    for cluster in stack.of(CLUSTER):
        lists = stack.of_cluster(cluster, FIREWALL)
        if not lists:
            yield Finding(
                message=f"{cluster.called} has no DatabaseFirewall, so the whole internet may try its password.",
                urn=cluster.urn,
            )
        elif len(lists) > 1:
            names = ", ".join(sorted(one.name for one in lists))
            yield Finding(
                message=f"{cluster.called} has {len(lists)} DatabaseFirewall resources, {names}. Each replaces the "
                "whole list, so the last one to run wins.",
                urn=cluster.urn,
            )


def _list_of_one(stack: Stack, _config: Config) -> Iterator[Finding]:
    for firewall in stack.of(FIREWALL):
        clusters = [cluster.called for cluster in stack.of(CLUSTER) if firewall.uses("clusterId", cluster)]
        if len(clusters) > 1:
            yield Finding(
                message=f"{firewall.name} is made from {', '.join(sorted(clusters))}, and has the sources of one.",
                urn=firewall.urn,
            )


def _known_network(stack: Stack, config: Config) -> Iterator[Finding]:
    own = {vpc.fields.peek("id") for vpc in stack.of(VPC)}
    for resource in stack.of(CLUSTER, REPLICA, APP):
        if resource.type == APP:
            networks = [vpc.peek("id") for vpc in resource.fields.object("spec").objects("vpcs")]
            made = any(resource.made_from("spec", vpc) for vpc in stack.of(VPC))
        else:
            networks = [resource.fields.peek("privateNetworkUuid")]
            made = any(resource.uses("privateNetworkUuid", vpc) for vpc in stack.of(VPC))
        for network in networks:
            known = made or network in own or network in config["networks"]
            if isinstance(network, str) and network and not known:
                yield Finding(
                    message=f"{resource.called} is in the network {network}, which this stack does not make.",
                    urn=resource.urn,
                )


def _not_ignored(resource: Resource, _config: Config) -> Iterator[str]:
    ignored = resource.ignored & (_JUDGED[resource.type] | {"*"})
    if ignored:
        yield f"{resource.name} ignores changes of {', '.join(sorted(ignored))}."


def _kind(rule: Fields) -> Any:
    """The type of a trusted source as DigitalOcean spells it, or UNKNOWN."""
    kind = rule.get("type")
    return kind.lower() if isinstance(kind, str) else kind


def _tag(resource: Resource, _config: Config) -> Iterator[str]:
    for rule in resource.fields.objects("rules"):
        if _kind(rule) == "tag":
            yield f"{resource.name} admits every Droplet with the tag {rule.get('value') or 'to come'}."


def _droplet_ports(resource: Resource, config: Config) -> Iterator[str]:
    widest = int(config["widestPrefix"])
    if resource.type == LOAD_BALANCER:
        yield from _balanced(resource, config, widest)
    for rule in resource.fields.objects("inboundRules"):
        ports = [int(port) for port in config["ports"] if _covers(rule.get("portRange"), int(port))]
        if not ports or rule.get("protocol") in ("udp", "icmp"):
            continue
        for source in _too_wide(rule.values("sourceAddresses"), widest):
            yield f"{resource.called} opens {', '.join(map(str, ports))} to {source}."


def _balanced(resource: Resource, config: Config, widest: int) -> Iterator[str]:
    """What a load balancer hands on to a database, and to whom."""
    rules = list(resource.fields.objects("forwardingRules"))
    ports = sorted({int(port) for port in config["ports"] for rule in rules if int(port) in _ends(rule)})
    network = resource.fields.get("network")
    if not ports or network is UNKNOWN or str(network or "").upper() == "INTERNAL":
        return
    opened = f"{resource.called} opens {', '.join(map(str, ports))} to"
    allowed = resource.fields.object("firewall")
    if not allowed.has("allows"):
        yield f"{opened} everybody."
    yield from (
        f"{opened} {source}."
        for source in _too_wide([str(one).partition(":")[2] for one in allowed.values("allows")], widest)
    )


def _ends(rule: Fields) -> set[int]:
    ends = (rule.get(name) for name in ("entryPort", "targetPort"))
    return {int(end) for end in ends if isinstance(end, int | float)}


def _too_wide(sources: Iterable[Any], widest: int) -> Iterator[str]:
    """The ranges wider than allowed, those that public ones come to together too; and what is no range."""
    public: list[ipaddress.IPv4Network] = []
    for source in sources:
        network = _network(source)
        if network is None or network.prefixlen < (widest if network.version == 4 else 4 * widest):
            yield str(source)
        elif isinstance(network, ipaddress.IPv4Network) and not _is_private(network):
            public.append(network)
    yield from (str(one) for one in ipaddress.collapse_addresses(public) if one.prefixlen < widest)


def _is_private(network: ipaddress.IPv4Network) -> bool:
    return any(network.subnet_of(known) for known in _PRIVATE)


def _covers(ports: Any, port: int) -> bool:
    """Whether a range such as `5432`, `1-65535` or `all` has a port in it; nothing is all of them."""
    if ports is UNKNOWN:
        return False
    if not isinstance(ports, str) or not (named := re.fullmatch(r"(\d+)(?:-(\d+))?", ports.strip())):
        return True
    first, last = int(named[1]), int(named[2] or named[1])
    return first == 0 or first <= port <= last


def _behind_firewall(stack: Stack, config: Config) -> Iterator[Finding]:
    for droplet in stack.of(DROPLET, DROPLET_AUTOSCALE):
        server = droplet.starts(config["servers"])
        if server is None:
            continue
        described = droplet.fields.object("dropletTemplate") if droplet.type == DROPLET_AUTOSCALE else droplet.fields
        tags = set(described.values("tags"))
        if not any(
            firewall.uses("dropletIds", droplet) or tags & set(firewall.fields.values("tags"))
            for firewall in stack.of(CLOUD_FIREWALL)
        ):
            yield Finding(
                message=f"{droplet.called} starts {server} and is behind no Firewall.",
                urn=droplet.urn,
            )


def _some_rule(resource: Resource, _config: Config) -> Iterator[str]:
    if not resource.fields.has("rules"):
        yield f"{resource.name} has no rule: an empty list admits everybody."


def _networks(resource: Resource) -> Iterator[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network | None]]:
    """Every address rule as it is written and as a network; None where it is neither address nor range."""
    for rule in resource.fields.objects("rules"):
        if _kind(rule) == "ip_addr" and (value := rule.get("value")):
            yield value, _network(value)


def _network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return None


def _range(resource: Resource, config: Config) -> Iterator[str]:
    widest = int(config["widestPrefix"])
    public: list[ipaddress.IPv4Network] = []
    for value, network in _networks(resource):
        if network is None:
            yield f"{value!r} is neither an IPv4 address nor a range."
        elif isinstance(network, ipaddress.IPv6Network):
            yield f"{value}: trusted sources take no IPv6."
        elif network.prefixlen == 0:
            yield f"{value} is the whole internet."
        elif network.prefixlen < widest:
            yield f"{value} is wider than a /{widest}: {network.num_addresses} addresses."
        elif not _is_private(network):
            public.append(network)
    for joined in ipaddress.collapse_addresses(public):
        if joined.prefixlen < widest:
            yield f"{joined}, in parts, is wider than a /{widest}: {joined.num_addresses} addresses."


def _public_reason(resource: Resource, config: Config) -> Iterator[str]:
    single = []
    for value, network in _networks(resource):
        # The whole internet has a policy of its own, and no reason is good enough.
        if not isinstance(network, ipaddress.IPv4Network) or not network.prefixlen or config["reasons"].get(value):
            continue
        if _is_private(network):
            continue
        if network.num_addresses == 1:
            single.append(value)
        else:
            yield f"{value} is a public range of {network.num_addresses} addresses, and no reason is written down."
    if len(single) > int(config["addresses"]):
        yield f"{resource.name} admits {len(single)} public addresses, {', '.join(single[:3])}, …, without a reason."


def _count(resource: Resource, config: Config) -> Iterator[str]:
    rules = list(resource.fields.objects("rules"))
    if len(rules) > int(config["most"]):
        yield f"{resource.name} has {len(rules)} rules; DigitalOcean takes {int(config['most'])}."


def _app_rule_alone(stack: Stack, _config: Config) -> Iterator[Finding]:
    if not any(app.fields.object("spec").has("vpcs") for app in stack.of(APP)):
        return
    for firewall in stack.of(FIREWALL):
        kinds = [_kind(rule) for rule in firewall.fields.objects("rules")]
        if "app" in kinds and not {"ip_addr", UNKNOWN} & set(kinds):
            yield Finding(
                message=f"{firewall.name} admits apps by `app` rules alone. Such a rule admits an app's public "
                "address; an app in a VPC comes from the VPC's range.",
                urn=firewall.urn,
            )


def _app_in_vpc(resource: Resource, _config: Config) -> Iterator[str]:
    spec = resource.fields.object("spec")
    if any(is_attached(database) for database in spec.objects("databases")) and not spec.has("vpcs"):
        yield f"{resource.called} uses a managed cluster and is in no VPC, so it comes over the internet."


_WIDEST = {
    "type": "integer",
    "minimum": 8,
    "maximum": 32,
    "default": WIDEST_TRUSTED_PREFIX,
    "description": "The widest range allowed, as a prefix length.",
}

RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="cluster-in-vpc",
        protects="A cluster or replica outside your VPC lies in the region's default network, beside everything else.",
        fix="Set privateNetworkUuid to the VPC's id.",
        source=f"{_DOCS}/concepts/best-practices/",
        severity=Severity.HIGH,
        types=frozenset({CLUSTER, REPLICA}),
        check=_in_vpc,
    ),
    StackRule(
        name="one-list-of-trusted-sources",
        protects="A cluster without trusted sources is open to the internet; two lists undo each other.",
        fix="Give each cluster one DatabaseFirewall with all its rules.",
        source=f"{_DOCS}/how-to/secure/",
        severity=Severity.CRITICAL,
        check=_one_list,
    ),
    StackRule(
        name="list-of-one-cluster",
        protects="A list that is made for two clusters leaves one of them open to the internet.",
        fix="Give each cluster a DatabaseFirewall of its own.",
        source=f"{_DOCS}/how-to/secure/",
        severity=Severity.CRITICAL,
        check=_list_of_one,
    ),
    StackRule(
        name="network-known",
        protects="Nobody who reads the program can tell who else is in a network that it does not make.",
        fix="Make the VPC in the stack, or name its id under networks in the pack's config.",
        source="https://docs.digitalocean.com/products/networking/vpc/",
        severity=Severity.HIGH,
        check=_known_network,
        config={
            "networks": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "Ids of VPCs that other stacks make.",
            }
        },
    ),
    ResourceRule(
        name="changes-not-ignored",
        protects="What was opened by hand stays open, and what this program says is not deployed.",
        fix="Remove these names from ignoreChanges.",
        source="https://www.pulumi.com/docs/iac/concepts/resources/options/ignorechanges/",
        severity=Severity.HIGH,
        types=frozenset(_JUDGED),
        check=_not_ignored,
    ),
    ResourceRule(
        name="trusted-source-tag",
        protects="Whoever may tag a Droplet, in any network, lets it into the cluster.",
        fix="Name the VPC's range and single addresses.",
        source=f"{_DOCS}/how-to/secure/",
        severity=Severity.MEDIUM,
        types=frozenset({FIREWALL}),
        check=_tag,
    ),
    ResourceRule(
        name="droplet-database-ports",
        protects="A database on a Droplet whose port answers the internet has its passwords tried all day.",
        fix="Name the VPC's range and single addresses as sources of that port; keep a load balancer inside.",
        source="https://docs.digitalocean.com/products/networking/firewalls/how-to/configure-rules/",
        severity=Severity.CRITICAL,
        types=frozenset({CLOUD_FIREWALL, LOAD_BALANCER}),
        check=_droplet_ports,
        config={
            "ports": {
                "type": "array",
                "items": {"type": "integer"},
                "default": list(_PORTS),
                "description": "Ports of databases and poolers.",
            },
            "widestPrefix": _WIDEST,
        },
    ),
    StackRule(
        name="droplet-behind-firewall",
        protects="A Droplet without a Firewall answers the internet on every port.",
        fix="Add a Firewall with the Droplet under dropletIds, or one of its tags.",
        source="https://docs.digitalocean.com/products/networking/firewalls/",
        severity=Severity.CRITICAL,
        check=_behind_firewall,
        config={
            "servers": {
                "type": "string",
                "default": SERVERS,
                "description": "A regular expression that finds, in user data and an image's name, a database.",
            }
        },
    ),
    ResourceRule(
        name="trusted-sources-not-empty",
        protects="An empty list of trusted sources opens the cluster to the internet.",
        fix="Name at least the VPC's range.",
        source=f"{_DOCS}/how-to/secure/",
        severity=Severity.CRITICAL,
        types=frozenset({FIREWALL}),
        check=_some_rule,
    ),
    ResourceRule(
        name="trusted-source-range",
        protects="A wide range admits networks that nobody meant, 0.0.0.0/0 the whole internet.",
        fix="Name the VPC's range and single addresses.",
        source=f"{_DOCS}/details/limits/",
        severity=Severity.CRITICAL,
        types=frozenset({FIREWALL}),
        check=_range,
        config={"widestPrefix": _WIDEST},
    ),
    ResourceRule(
        name="public-range-has-reason",
        protects="A public range that nobody can explain is never taken back.",
        fix="Name single addresses, or write the range and its reason under reasons in the pack's config.",
        source=f"{_DOCS}/how-to/secure/",
        severity=Severity.HIGH,
        types=frozenset({FIREWALL}),
        check=_public_reason,
        config={
            "reasons": {
                "type": "object",
                "additionalProperties": {"type": "string", "minLength": 10},
                "default": {},
                "description": 'Range or address -> why, such as {"198.51.100.0/28": "office in Lisbon"}.',
            },
            "addresses": {
                "type": "integer",
                "minimum": 0,
                "default": 10,
                "description": "How many single public addresses need no reason.",
            },
        },
    ),
    ResourceRule(
        name="trusted-sources-count",
        protects="DigitalOcean refuses a list that is too long, halfway through `up`.",
        fix="Name ranges instead of addresses, or ask DigitalOcean for more and set most.",
        source=f"{_DOCS}/details/limits/",
        severity=Severity.MEDIUM,
        types=frozenset({FIREWALL}),
        check=_count,
        config={
            "most": {
                "type": "integer",
                "minimum": 1,
                "default": MAX_TRUSTED_SOURCES,
                "description": "How many addresses the account may name.",
            }
        },
    ),
    StackRule(
        name="app-rule-not-alone",
        protects="An app in a VPC is refused by a cluster that admits it by an `app` rule alone.",
        fix="Add a rule of type ip_addr with the VPC's range.",
        source=f"{_DOCS}/concepts/best-practices/",
        severity=Severity.HIGH,
        check=_app_rule_alone,
    ),
    ResourceRule(
        name="app-in-vpc",
        protects="An app outside the VPC needs the cluster's public host.",
        fix="Set spec.vpcs to the VPC of the cluster.",
        source="https://docs.digitalocean.com/products/app-platform/how-to/enable-vpc/",
        severity=Severity.HIGH,
        types=frozenset({APP}),
        check=_app_in_vpc,
    ),
)
