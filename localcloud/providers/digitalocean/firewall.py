"""Firewalls of Droplets."""

from collections.abc import Mapping
from typing import Any

from localcloud.providers.digitalocean.tags import tags
from localcloud.providers.schema import (
    Kind,
    Mode,
    Property,
    ResourceType,
    State,
    boolean,
    each,
    integer,
    objects,
    text,
    texts,
)

_TARGETS = {
    "Addresses": "addresses",
    "Tags": "tags",
    "DropletIds": "droplet_ids",
    "LoadBalancerUids": "load_balancer_uids",
    "KubernetesIds": "kubernetes_ids",
}
"""Who a rule is about: the end of Pulumi's name, and the API's."""

_SIDES = {"inboundRules": ("source", "sources"), "outboundRules": ("destination", "destinations")}


def _rules(name: str) -> Property:
    side, group = _SIDES[name]

    def encode(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [_encode(rule, side, group) for rule in rules]

    def decode(rules: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        return [_decode(rule, side, group) for rule in rules or []]

    kinds = {"DropletIds": Kind.INTEGER}
    return objects(
        name,
        (
            text("protocol", Mode.REQUIRED, choices=("tcp", "udp", "icmp")),
            text("portRange"),
            *(texts(f"{side}{end}", Kind.SET, of=kinds.get(end, Kind.STRING)) for end in _TARGETS),
        ),
        Kind.SET,
        encode=encode,
        decode=decode,
    )


def _encode(rule: Mapping[str, Any], side: str, group: str) -> dict[str, Any]:
    targets = {key: rule[side + end] for end, key in _TARGETS.items() if rule.get(side + end)}
    ports = {"ports": rule["portRange"]} if rule.get("portRange") else {}
    return {"protocol": rule["protocol"], **ports, group: targets}


def _decode(rule: Mapping[str, Any], side: str, group: str) -> State:
    """The API says "0" for all ports, and for the protocol that has none."""
    ports = rule.get("ports") or ""
    if ports == "0":
        ports = "" if rule["protocol"] == "icmp" else "all"
    targets = {side + end: sorted((rule.get(group) or {}).get(key) or []) for end, key in _TARGETS.items()}
    return {"protocol": rule["protocol"], "portRange": ports, **targets}


def _verify(inputs: State) -> Mapping[str, str]:
    if not inputs.get("inboundRules") and not inputs.get("outboundRules"):
        return {"inboundRules": "give at least one of inboundRules and outboundRules"}
    return {
        name: f"{name}: portRange is needed where the protocol is tcp or udp"
        for name in _SIDES
        for rule in inputs.get(name) or []
        if isinstance(rule, Mapping) and rule["protocol"] != "icmp" and not rule.get("portRange")
    }


FIREWALL = ResourceType(
    token="digitalocean:index/firewall:Firewall",  # noqa: S106
    noun="firewall",
    collection="/v2/firewalls",
    root="firewall",
    update_method="PUT",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        texts("dropletIds", Kind.SET, of=Kind.INTEGER),
        _rules("inboundRules"),
        _rules("outboundRules"),
        tags(),
        *each(text, "status createdAt", Mode.COMPUTED),
        objects("pendingChanges", (integer("dropletId"), boolean("removing"), text("status")), mode=Mode.COMPUTED),
    ),
    verify=_verify,
)
