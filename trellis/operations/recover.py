"""Finishes what a killed `pulumi up` left open.

Pulumi writes down what it is about to create before it asks the cloud. Killed in between, the state holds an open
create, and the cloud may hold the thing: a second create would fail, or make a second cluster that bills.
"""

import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trellis.operations.engine import Engine
from trellis.operations.errors import OperationError
from trellis.operations.orphans import FINDERS, Api, cloudflare, digitalocean

ONLINE_WITHIN_SECONDS = 1800


def run(options: Namespace) -> int:
    """The subcommand `recover`."""
    recover(options.stack, options.config_file)
    return 0


def recover(stack: str, config_file: Path | None) -> None:
    """Takes what exists into the state and drops the rest of the open creates. Does nothing when none is open.

    Raises OperationError, and leaves the state as it was, when a cloud cannot be asked.
    """
    engine = Engine(stack, config_file)
    open_creates = [
        operation["resource"]
        for operation in engine.state().get("pending_operations") or []
        if operation["type"] == "creating"
    ]
    if not open_creates:
        return
    apis: dict[str, Api] = {}
    found: dict[str, str] = {}
    for resource in open_creates:
        finder = FINDERS.get(resource["type"])
        if finder is None:
            continue
        cloud, find = finder
        if cloud not in apis:
            apis[cloud] = (
                digitalocean(engine.config("digitalocean:apiEndpoint"))
                if cloud == "digitalocean"
                else cloudflare(engine.config("cloudflare:baseUrl"))
            )
        identifier = find(apis[cloud], resource["inputs"])
        if identifier is None:
            _say(f"{_name(resource)}: was not created; `pulumi up` creates it.")
            continue
        _wait_until_online(apis[cloud], resource, identifier)
        _say(f"{_name(resource)}: exists as {identifier}; taken into the state.")
        found[resource["urn"]] = identifier
    engine.adopt(found)


def _wait_until_online(api: Api, resource: Mapping[str, Any], identifier: str) -> None:
    # What is still being made has no address yet; the state must not record that.
    paths = {
        "digitalocean:index/databaseCluster:DatabaseCluster": ("/v2/databases/{}", "database", "online"),
        "digitalocean:index/databaseReplica:DatabaseReplica": ("/v2/databases/{}", "replica", "online"),
        "digitalocean:index/droplet:Droplet": ("/v2/droplets/{}", "droplet", "active"),
    }
    if resource["type"] not in paths:
        return
    form, root, ready = paths[resource["type"]]
    path = form.format(identifier)
    until = time.monotonic() + ONLINE_WITHIN_SECONDS
    while (status := (api.get(path) or {root: {}})[root].get("status")) != ready:
        if time.monotonic() > until:
            raise OperationError(
                f"{_name(resource)} exists as {identifier}, but is {status!r} after "
                f"{ONLINE_WITHIN_SECONDS // 60} minutes. "
                "The state was not changed. Look at it in the control panel, then run this again."
            )
        time.sleep(2)


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rsplit("::", 1)[-1]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
