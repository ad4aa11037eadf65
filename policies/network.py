"""Who can reach a cluster."""

import ipaddress
from collections.abc import Iterator

from pulumi_policy import Severity

from trellis.settings.catalogue import MAX_TRUSTED_SOURCES, WIDEST_TRUSTED_PREFIX

from .fields import UNKNOWN, Fields
from .kinds import APP, CLUSTER, FIREWALL, REPLICA
from .resources import Resource, Stack
from .rules import Config, Finding, ResourceRule, Rule, StackRule

_DOCS = "https://docs.digitalocean.com/products/databases/postgresql"
_PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
)


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


def _some_rule(resource: Resource, _config: Config) -> Iterator[str]:
    if not resource.fields.has("rules"):
        yield f"{resource.name} has no rule: an empty list admits everybody."


def _networks(resource: Resource) -> Iterator[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network | None]]:
    """Every address rule as it is written and as a network; None where it is neither address nor range."""
    for rule in resource.fields.objects("rules"):
        if rule.get("type") == "ip_addr" and (value := rule.get("value")):
            try:
                yield value, ipaddress.ip_network(value, strict=False)
            except ValueError:
                yield value, None


def _range(resource: Resource, config: Config) -> Iterator[str]:
    widest = int(config["widestPrefix"])
    for value, network in _networks(resource):
        if network is None:
            yield f"{value!r} is neither an IPv4 address nor a range."
        elif network.version == 6:
            yield f"{value}: trusted sources take no IPv6."
        elif network.prefixlen == 0:
            yield f"{value} is the whole internet."
        elif network.prefixlen < widest:
            yield f"{value} is wider than a /{widest}: {network.num_addresses} addresses."


def _public_reason(resource: Resource, config: Config) -> Iterator[str]:
    for value, network in _networks(resource):
        # The whole internet has a policy of its own, and no reason is good enough.
        if not isinstance(network, ipaddress.IPv4Network) or network.num_addresses == 1 or not network.prefixlen:
            continue
        if not any(network.subnet_of(known) for known in _PRIVATE) and not config["reasons"].get(value):
            yield f"{value} is a public range of {network.num_addresses} addresses, and no reason is written down."


def _count(resource: Resource, config: Config) -> Iterator[str]:
    rules = list(resource.fields.objects("rules"))
    if len(rules) > int(config["most"]):
        yield f"{resource.name} has {len(rules)} rules; DigitalOcean takes {int(config['most'])}."


def _app_rule_alone(stack: Stack, _config: Config) -> Iterator[Finding]:
    if not any(app.fields.object("spec").has("vpcs") for app in stack.of(APP)):
        return
    for firewall in stack.of(FIREWALL):
        kinds = [rule.get("type") for rule in firewall.fields.objects("rules")]
        if "app" in kinds and not {"ip_addr", UNKNOWN} & set(kinds):
            yield Finding(
                message=f"{firewall.name} admits apps by `app` rules alone. Such a rule admits an app's public "
                "address; an app in a VPC comes from the VPC's range.",
                urn=firewall.urn,
            )


def _app_in_vpc(resource: Resource, _config: Config) -> Iterator[str]:
    spec = resource.fields.object("spec")
    if any(_is_managed(database) for database in spec.objects("databases")) and not spec.has("vpcs"):
        yield f"{resource.called} uses a managed cluster and is in no VPC, so it comes over the internet."


def _is_managed(database: Fields) -> bool:
    return bool(database.get("production")) or database.has("clusterName")


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
        config={
            "widestPrefix": {
                "type": "integer",
                "minimum": 8,
                "maximum": 32,
                "default": WIDEST_TRUSTED_PREFIX,
                "description": "The widest range allowed, as a prefix length.",
            }
        },
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
                "description": 'Range -> why it may connect, such as {"198.51.100.0/28": "office in Lisbon"}.',
            }
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
