"""Finds what a cloud holds of a create whose end is not known, and tells the stack's own from somebody else's."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trellis.operations.api import Api
from trellis.operations.engine import Engine
from trellis.operations.errors import OperationError

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Clouds:
    """The APIs that a stack's plugins call, each with the token that its plugin takes."""

    engine: Engine

    @cached_property
    def digitalocean(self) -> Api:
        """DigitalOcean's."""
        base = self._setting("digitalocean:apiEndpoint", "DIGITALOCEAN_API_URL") or "https://api.digitalocean.com"
        return Api(
            base=base, token=self._token("digitalocean:token", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
        )

    @cached_property
    def cloudflare(self) -> Api:
        """Cloudflare's."""
        base = self._setting("cloudflare:baseUrl", "CLOUDFLARE_BASE_URL") or "https://api.cloudflare.com/client/v4"
        return Api(base=base, token=self._token("cloudflare:apiToken", "CLOUDFLARE_API_TOKEN"))

    @property
    def config(self) -> Mapping[str, str]:
        """The stack's config."""
        return self.engine.configuration()

    def _setting(self, key: str, *variables: str) -> str | None:
        return self.config.get(key) or next((os.environ[name] for name in variables if os.environ.get(name)), None)

    def _token(self, key: str, *variables: str) -> str:
        if token := self._setting(key, *variables):
            return token
        raise OperationError(f"{variables[0]} is not set, and the cloud must be asked what there is. Nothing was done.")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the things of a resource type are found, and what proves that one of the asked name is the stack's own.

    path, root: the list, and where its items stand in the answer. name: what tells a thing of the asked name.
    id: the id that the plugin gives it. All are format strings over the inputs; `item` is the thing.
    proof: path in the thing -> path in the inputs, where the two must agree; of a list, the thing has all.
    What lies in a cluster of the stack needs none. idle: a list of what uses the thing, empty while it is new.
    unique: the cloud refuses a second one of the name. ready: where to ask whether it is made, the path in the
    answer and the value there, None for any. delete: how to delete one whose secret is lost; told_once: it always is.
    """

    path: str
    root: str
    cloud: str = "digitalocean"
    name: Mapping[str, str] = field(default_factory=lambda: {"name": "{name}"})
    id: str = "{item[id]}"
    proof: Mapping[str, str] = field(default_factory=dict)
    idle: str | None = None
    unique: bool = True
    ready: tuple[str, str, str | None] | None = None
    delete: str | None = None
    told_once: bool = False


_TAGS = {"tags": "tags"}


def _member(kind: str, form: str, ready: tuple[str, str, str | None] | None = None) -> Kind:
    return Kind(path=f"/v2/databases/{{clusterId}}/{kind}", root=kind, id=form, ready=ready)


# A type that is not here needs no look-up: creating it again does no harm.
KINDS: Mapping[str, Kind] = {
    "digitalocean:index/vpc:Vpc": Kind(
        path="/v2/vpcs",
        root="vpcs",
        # Another stack of the same system may have made one with this range; but that one is in use.
        proof={"region": "region", "ip_range": "ipRange"},
        idle="/v2/vpcs/{item[id]}/members",
    ),
    "digitalocean:index/databaseCluster:DatabaseCluster": Kind(
        path="/v2/databases",
        root="databases",
        proof={"private_network_uuid": "privateNetworkUuid", "region": "region", "engine": "engine", **_TAGS},
        ready=("/v2/databases/{id}", "database.status", "online"),
    ),
    "digitalocean:index/databaseDb:DatabaseDb": _member("dbs", "{clusterId}/database/{name}"),
    "digitalocean:index/databaseUser:DatabaseUser": _member("users", "{clusterId}/user/{name}"),
    "digitalocean:index/databaseConnectionPool:DatabaseConnectionPool": _member("pools", "{clusterId}/{name}"),
    "digitalocean:index/databaseReplica:DatabaseReplica": _member(
        "replicas", "{clusterId}/replicas/{name}", ("/v2/databases/{id}", "replica.status", "online")
    ),
    "digitalocean:index/app:App": Kind(
        path="/v2/apps",
        root="apps",
        name={"spec.name": "{spec[name]}"},
        proof={"spec.vpc.id": "spec.vpcs.*.id"},
        ready=("/v2/apps/{id}", "app.default_ingress", None),
    ),
    "digitalocean:index/monitorAlert:MonitorAlert": Kind(
        path="/v2/monitoring/alerts",
        root="policies",
        name={"description": "{description}", "type": "{type}"},
        id="{item[uuid]}",
        proof={"entities": "entities"},
        unique=False,
    ),
    "cloudflare:index/dnsRecord:DnsRecord": Kind(
        cloud="cloudflare",
        path="/zones/{zoneId}/dns_records?name={name}&type={type}",
        root="result",
        proof={"content": "content"},
    ),
    "digitalocean:index/droplet:Droplet": Kind(
        path="/v2/droplets",
        root="droplets",
        proof={"vpc_uuid": "vpcUuid", "region.slug": "region", **_TAGS},
        unique=False,
        ready=("/v2/droplets/{id}", "droplet.status", "active"),
        delete="/v2/droplets/{id}",
    ),
    "digitalocean:index/volume:Volume": Kind(
        path="/v2/volumes", root="volumes", proof={"region.slug": "region", "size_gigabytes": "size", **_TAGS}
    ),
    "digitalocean:index/firewall:Firewall": Kind(path="/v2/firewalls", root="firewalls", proof=_TAGS),
    "digitalocean:index/spacesBucket:SpacesBucket": Kind(
        path="/v2/projects/default/resources",
        root="resources",
        # Pulumi makes a random name for each create, so nobody else's bucket has it.
        name={"urn": "do:space:{name}"},
        id="{name}",
    ),
    "digitalocean:index/spacesKey:SpacesKey": Kind(
        path="/v2/spaces/keys",
        root="keys",
        id="{item[access_key]}",
        proof={"grants.*.bucket": "grants.*.bucket"},
        unique=False,
        delete="/v2/spaces/keys/{id}",
        told_once=True,
    ),
}


class ForeignError(OperationError):
    """A thing of the asked name that is not the stack's own."""


def find(api: Api, kind: Kind, inputs: Record) -> str | None:
    """The id of what this create made; None where it made nothing. Raises ForeignError, and OperationError."""
    wanted = {path: form.format(**inputs) for path, form in kind.name.items()}
    named = [
        item
        for item in api.every(kind.path.format(**inputs), kind.root)
        if all(at(item, path) == value for path, value in wanted.items())
    ]
    ours = [item for item in named if not _differences(api, kind, inputs, item)]
    called = " ".join(wanted.values())
    if len(ours) > 1:
        raise ForeignError(
            f"{len(ours)} things are called {called}, and each may be this stack's: "
            f"{', '.join(kind.id.format(**inputs, item=item) for item in ours)}. Delete those that are not needed, "
            "then run this again."
        )
    if ours:
        return kind.id.format(**inputs, item=ours[0])
    if named and kind.unique:
        there = kind.id.format(**inputs, item=named[0])
        raise ForeignError(
            f"{called} exists as {there}, but this stack did not make it: "
            f"{'; '.join(_differences(api, kind, inputs, named[0]))}. Its tags: "
            f"{', '.join(named[0].get('tags') or ()) or 'none'}. It is left alone. Give it another name, or give "
            "another one to this stack's, then run this again."
        )
    return None


def _differences(api: Api, kind: Kind, inputs: Record, item: Record) -> list[str]:
    found = [
        f"{path} is {at(item, path)}, not {at(inputs, asked)}"
        for path, asked in kind.proof.items()
        if not _agree(at(inputs, asked), at(item, path))
    ]
    if kind.idle and not found:
        users = list(api.every(kind.idle.format(item=item), kind.idle.rpartition("/")[2]))
        found += [f"{user.get('name')} is in it" for user in users]
    # A disk that its create was asked to make hangs on no machine yet.
    if kind.root == "volumes" and item.get("droplet_ids"):
        found.append(f"it is attached to {item['droplet_ids']}")
    return found


def _agree(asked: Any, there: Any) -> bool:
    """What was not asked proves nothing."""
    if isinstance(asked, list):
        held = there if isinstance(there, list) else [there]
        return bool(asked) and all(value in held for value in asked)
    return asked is not None and asked == there


def at(value: Any, path: str) -> Any:
    """What stands at a path of keys joined by dots; `*` means every item of a list. None where there is nothing."""
    first, _, rest = path.partition(".")
    if first == "*":
        return [at(inner, rest) for inner in value or ()]
    below = value.get(first) if isinstance(value, Mapping) else None
    return at(below, rest) if rest else below


def is_ready(api: Api, kind: Kind, identifier: str) -> bool:
    """Whether a thing is made. What is still being made has no address yet."""
    if kind.ready is None:
        return True
    path, where, value = kind.ready
    now = at(api.get(path.format(id=identifier)), where)
    return bool(now) if value is None else now == value
