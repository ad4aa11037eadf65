"""Finds what a cloud holds under the name that an unfinished create asked for."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from trellis.operations.errors import OperationError

DIGITALOCEAN = "https://api.digitalocean.com"
CLOUDFLARE = "https://api.cloudflare.com/client/v4"
TIMEOUT_SECONDS = 60

Inputs = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Api:
    """An HTTP API with a bearer token. Reads only."""

    base: str
    token: str

    def get(self, path: str) -> Any | None:
        """The body of a GET, or None where there is nothing. Raises OperationError for any other answer."""
        request = urllib.request.Request(  # noqa: S310
            self.base.rstrip("/") + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            text = error.read().decode(errors="replace")
            raise OperationError(f"GET {path} answered {error.code}: {text[:300]}. Nothing was changed.") from error
        except urllib.error.URLError as error:
            raise OperationError(f"{self.base} does not answer: {error.reason}. Nothing was changed.") from error

    def every(self, path: str, root: str) -> Iterator[dict[str, Any]]:
        """Every item of a DigitalOcean list, page by page."""
        page, seen = 1, 0
        while True:
            body = self.get(f"{path}?per_page=200&page={page}") or {}
            items = body.get(root) or []
            yield from items
            seen += len(items)
            if not items or seen >= body.get("meta", {}).get("total", 0):
                return
            page += 1


def digitalocean(endpoint: str | None) -> Api:
    """DigitalOcean's API with the token that the plugin takes."""
    return Api(
        base=endpoint or os.environ.get("DIGITALOCEAN_API_URL") or DIGITALOCEAN, token=_token("DIGITALOCEAN_TOKEN")
    )


def cloudflare(endpoint: str | None) -> Api:
    """Cloudflare's API with the token that the plugin takes."""
    return Api(
        base=endpoint or os.environ.get("CLOUDFLARE_BASE_URL") or CLOUDFLARE, token=_token("CLOUDFLARE_API_TOKEN")
    )


def _token(name: str) -> str:
    if token := os.environ.get(name):
        return token
    raise OperationError(f"{name} is not set, and an unfinished create must be looked up. Nothing was changed.")


def _by(
    root: str, path: str, key: Callable[[dict[str, Any]], object], name: str
) -> Callable[[Api, Inputs], str | None]:
    def find(api: Api, inputs: Inputs) -> str | None:
        found = [item for item in api.every(path, root) if key(item) == inputs.get(name)]
        if len(found) > 1:
            raise OperationError(
                f"{len(found)} of {path} are called {inputs.get(name)!r}: "
                f"{', '.join(str(item.get('id') or item.get('uuid')) for item in found)}. Keep one, delete the others, "
                "then run this again. Nothing was changed."
            )
        return str(found[0].get("id") or found[0].get("uuid")) if found else None

    return find


def _of_cluster(kind: str, form: str) -> Callable[[Api, Inputs], str | None]:
    def find(api: Api, inputs: Inputs) -> str | None:
        cluster, name = inputs["clusterId"], inputs["name"]
        there = api.get(f"/v2/databases/{cluster}/{kind}/{quote(name, safe='')}")
        return form.format(cluster=cluster, name=name) if there else None

    return find


def _app(api: Api, inputs: Inputs) -> str | None:
    name = inputs["spec"]["name"]
    return next((str(app["id"]) for app in api.every("/v2/apps", "apps") if app["spec"]["name"] == name), None)


def _record(api: Api, inputs: Inputs) -> str | None:
    zone = inputs["zoneId"]
    body = api.get(f"/zones/{zone}/dns_records?name={quote(inputs['name'])}&type={inputs['type']}") or {}
    found = body.get("result") or []
    return str(found[0]["id"]) if found else None


# Pulumi type -> which API, and how to find the id that the plugin gives to the one that was asked for.
# A type that is not here needs no look-up: creating it again does no harm.
FINDERS: Mapping[str, tuple[str, Callable[[Api, Inputs], str | None]]] = {
    **{
        f"digitalocean:index/{kind[0].lower()}{kind[1:]}:{kind}": (
            "digitalocean",
            _by(root, f"/v2/{root}", lambda item: item["name"], "name"),
        )
        for kind, root in (
            ("Vpc", "vpcs"),
            ("Droplet", "droplets"),
            ("Volume", "volumes"),
            ("Firewall", "firewalls"),
        )
    },
    "digitalocean:index/databaseCluster:DatabaseCluster": (
        "digitalocean",
        _by("databases", "/v2/databases", lambda item: item["name"], "name"),
    ),
    "digitalocean:index/databaseDb:DatabaseDb": ("digitalocean", _of_cluster("dbs", "{cluster}/database/{name}")),
    "digitalocean:index/databaseUser:DatabaseUser": ("digitalocean", _of_cluster("users", "{cluster}/user/{name}")),
    "digitalocean:index/databaseConnectionPool:DatabaseConnectionPool": (
        "digitalocean",
        _of_cluster("pools", "{cluster}/{name}"),
    ),
    "digitalocean:index/databaseReplica:DatabaseReplica": (
        "digitalocean",
        _of_cluster("replicas", "{cluster}/replicas/{name}"),
    ),
    "digitalocean:index/app:App": ("digitalocean", _app),
    "digitalocean:index/monitorAlert:MonitorAlert": (
        "digitalocean",
        _by("policies", "/v2/monitoring/alerts", lambda item: item["description"], "description"),
    ),
    "cloudflare:index/dnsRecord:DnsRecord": ("cloudflare", _record),
}
