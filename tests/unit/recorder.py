"""Pulumi's engine replaced by a recorder: no server, no plugin."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks, test

from components.system import System, SystemArgs
from trellis.server.certificates import Authorities
from trellis.settings import Settings

_AUTHORITIES = Authorities.first("freshtrack-db-authority", datetime.now(UTC))
COMPUTED: Mapping[str, Mapping[str, Any]] = {
    "digitalocean:index/databaseCluster:DatabaseCluster": {
        "host": "db.example",
        "privateHost": "private-db.example",
        "port": 25060,
        "user": "doadmin",
        "password": "admin-password",
        "uri": "rediss://default:admin-password@db.example:25060",
        "privateUri": "rediss://default:admin-password@private-db.example:25060",
    },
    "digitalocean:index/databaseUser:DatabaseUser": {"password": "p@ss/word"},
    "digitalocean:index/databaseConnectionPool:DatabaseConnectionPool": {
        "host": "db.example",
        "privateHost": "private-db.example",
        "port": 25061,
    },
    "digitalocean:index/databaseReplica:DatabaseReplica": {
        "host": "replica.example",
        "privateHost": "private-replica.example",
        "port": 25060,
    },
    "digitalocean:index/droplet:Droplet": {"ipv4Address": "203.0.113.9", "ipv4AddressPrivate": "10.4.0.2"},
    "digitalocean:index/spacesBucket:SpacesBucket": {
        "name": "dumps-1a2b3c4",
        "endpoint": "nyc3.digitaloceanspaces.com",
        "region": "nyc3",
    },
    "digitalocean:index/spacesKey:SpacesKey": {"accessKey": "DO00KEY", "secretKey": "spaces-secret"},
    "random:index/randomPassword:RandomPassword": {"result": "p" * 32},
    "pulumi-python:dynamic/server:Authority": {
        "certificate": _AUTHORITIES.certificates,
        "key": _AUTHORITIES.keys,
    },
    "digitalocean:index/app:App": {
        "liveUrl": "https://app.example",
        "defaultIngress": "https://app-x1.ondigitalocean.app",
    },
}


class Recorder(Mocks):
    """Keeps every resource that is asked for, by type."""

    def __init__(self) -> None:
        self.resources: list[MockResourceArgs] = []
        self.calls: list[MockCallArgs] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append(args)
        identifier = "4711" if args.typ.endswith(":Droplet") else f"{args.name}-id"
        return identifier, {**args.inputs, **COMPUTED.get(args.typ, {})}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        self.calls.append(args)
        if args.token.endswith("getDatabaseCa"):
            return {"certificate": "-----BEGIN CERTIFICATE-----", "clusterId": args.args["clusterId"], "id": "ca"}, []
        return {"id": "zone-1", "zoneId": "zone-1", "name": "zone"}, []

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name -> inputs of every resource whose type ends with `kind`."""
        return {
            resource.name: dict(resource.inputs)
            for resource in self.resources
            if resource.typ.rpartition(":")[2] == kind
        }


def record(settings: Settings, root: Path, *, preview: bool = False) -> tuple[Recorder, dict[str, Any]]:
    """Builds the system against the recorder; returns it and the outputs' values."""
    return recorded(
        lambda: System(settings.system, SystemArgs(settings=settings, root=root, stack="dev")).outputs, preview=preview
    )


def recorded(
    program: Callable[[], Mapping[str, pulumi.Input[Any]]], *, preview: bool = False, recorder: Recorder | None = None
) -> tuple[Recorder, dict[str, Any]]:
    """Runs a program against the recorder; returns it and the values of what the program returns, if they are known."""
    recorder = recorder or Recorder()
    set_mocks(recorder, project="trellis", stack="dev", preview=preview)
    values: dict[str, Any] = {}

    def keep(name: str) -> Callable[[Any], None]:
        return lambda value: values.__setitem__(name, value)

    def build() -> pulumi.Output[Any]:
        kept = [pulumi.Output.from_input(value).apply(keep(name)) for name, value in program().items()]
        return pulumi.Output.all(*kept)

    test(build)()  # type: ignore[no-untyped-call]
    return recorder, values
