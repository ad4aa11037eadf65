"""The trusted sources of a cluster or of a replica. A PUT replaces the whole list; an empty list admits everyone."""

import ipaddress
import uuid
from collections.abc import Sequence
from typing import Literal

from localcloud import catalogue
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.databases import view
from localcloud.api.databases.lookup import find_cluster, online, require_online, save
from localcloud.api.errors import Unprocessable
from localcloud.engines import trusted_sources
from localcloud.records import Replica, Rule, now


class RuleBody(Body):
    """A rule as clients send it. A uuid that is known keeps its rule's creation time."""

    type: Literal["ip_addr", "droplet", "k8s", "tag", "app"]
    value: str
    uuid: str | None = None
    description: str | None = None


class _Put(Body):
    rules: list[RuleBody] | None


def to_rules(asked: Sequence[RuleBody], current: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules to keep. Raises Unprocessable: too many, twice the same, IPv6, not an address."""
    if len(asked) > catalogue.MAX_TRUSTED_SOURCES:
        raise Unprocessable(f"rules: {len(asked)} given. Allowed: {catalogue.MAX_TRUSTED_SOURCES}.")
    known = {(rule.type, rule.value): rule for rule in current}
    rules: dict[tuple[str, str], Rule] = {}
    for item in asked:
        key = (item.type, item.value)
        if key in rules:
            raise Unprocessable(f"rules: {item.type} {item.value} is given twice.")
        if item.type == "ip_addr":
            _check_address(item.value)
        elif not item.value:
            raise Unprocessable(f"rules: a rule of type {item.type} has an empty value.")
        rule = known.get(key) or Rule(uuid=str(uuid.uuid4()), type=item.type, value=item.value, created_at=now())
        rules[key] = rule.model_copy(update={"description": item.description or ""})
    return tuple(rules.values())


def _put(call: Call) -> Reply:
    body = call.read(_Put)
    replica = _replica(call)
    if replica is not None:
        return _put_replica(call, replica, body)
    with online(call, call.param("id")) as (cluster, running):
        rules = to_rules(body.rules or (), cluster.rules)
        running.set_trusted_sources(trusted_sources(rules, call.cloud.state.read()))
        save(call, cluster, rules=rules)
    return NO_CONTENT


def _put_replica(call: Call, replica: Replica, body: _Put) -> Reply:
    with call.cloud.fleet.guard(replica.cluster_id):
        require_online(replica)
        rules = to_rules(body.rules or (), replica.rules)
        call.cloud.fleet.replica(replica).set_trusted_sources(trusted_sources(rules, call.cloud.state.read()))
        call.cloud.fleet.change(replica, rules=rules)
    return NO_CONTENT


def _get(call: Call) -> Reply:
    owner = _replica(call) or find_cluster(call.cloud.state.read(), call.param("id"))
    return Reply(body={"rules": [view.rule(rule, owner.id) for rule in owner.rules]})


def _replica(call: Call) -> Replica | None:
    replica = call.cloud.state.read().replicas.get(call.param("id"))
    return None if replica is None or replica.deleting else replica


def _check_address(value: str) -> None:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as problem:
        raise Unprocessable(
            f"rules: ip_addr {value}: not an IPv4 address or range: {problem}. "
            "Write it like 203.0.113.7 or 10.0.0.0/16."
        ) from problem
    if network.version != 4:
        raise Unprocessable(f"rules: ip_addr {value}: IPv6 is not supported for trusted sources. Use an IPv4 address.")


ENDPOINTS: Routes = {"/v2/databases/{id}/firewall": {"PUT": _put, "GET": _get}}
