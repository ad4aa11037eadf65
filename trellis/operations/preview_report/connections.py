"""What happens to running connections when a resource changes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trellis.operations.preview_report.preview import Step
from trellis.policies.kinds import (
    APP,
    BUCKET,
    CACHES,
    CLUSTER,
    DATA,
    DATABASE,
    FIREWALL,
    MIGRATIONS,
    MONITOR_ALERT,
    NFS,
    PHASE,
    POOL,
    REPLICA,
    USER,
    VOLUME,
    VPC,
)

_NONE = "none"


@dataclass(frozen=True)
class Effect:
    """What a change means. properties: one of them must change; empty means any."""

    type: str
    operation: str
    properties: frozenset[str]
    text: str


def _row(kind: str, operation: str, properties: str, text: str) -> Effect:
    return Effect(kind, operation, frozenset(properties.split()), text)


# The first row that fits counts, so a property that cuts connections stands above one that does not.
EFFECTS = (
    _row(CLUSTER, "replace", "", "the cluster and its data are deleted; every connection ends"),
    _row(CLUSTER, "delete", "", "the cluster and its data are deleted; every connection ends"),
    _row(CLUSTER, "update", "version", "upgrade: away while it runs, minutes; every client reconnects"),
    _row(CLUSTER, "update", "region privateNetworkUuid", "moves: fail-over in the end, seconds; the hosts change"),
    _row(CLUSTER, "update", "size", "resize: fail-over in the end, seconds; every client reconnects"),
    _row(CLUSTER, "update", "nodeCount", "a standby is added or removed beside the primary: none"),
    _row(CLUSTER, "update", "storageSizeMib", "storage grows in place: none"),
    _row(CLUSTER, "update", "", _NONE),
    _row(CLUSTER, "create", "", "new: nobody is connected yet"),
    _row(DATABASE, "replace", "", "the database and its data are deleted; its connections end"),
    _row(DATABASE, "delete", "", "the database and its data are deleted; its connections end"),
    _row(VOLUME, "replace", "", "the volume and its data are deleted"),
    _row(VOLUME, "delete", "", "the volume and its data are deleted"),
    _row(BUCKET, "replace", "", "the bucket is deleted, with what is in it where forceDestroy says so"),
    _row(BUCKET, "delete", "", "the bucket is deleted, with what is in it where forceDestroy says so"),
    _row(NFS, "replace", "", "the shared files are deleted"),
    _row(NFS, "delete", "", "the shared files are deleted"),
    _row(USER, "replace", "", "a new password; its clients are refused until they have it"),
    _row(USER, "delete", "", "its clients are refused"),
    _row(USER, "update", "", _NONE),
    _row(
        POOL, "replace", "", "the pool is made anew: its clients reconnect, and meanwhile are told of no such database"
    ),
    _row(POOL, "delete", "", "its clients are refused"),
    _row(REPLICA, "create", "", "copied from the primary: none"),
    _row(REPLICA, "update", "size", "resize: its readers reconnect, seconds"),
    _row(REPLICA, "replace", "", "its readers are cut off until the new one stands"),
    _row(REPLICA, "delete", "", "its readers are cut off"),
    _row(FIREWALL, "update", "", "new connections follow the new list"),
    _row(FIREWALL, "replace", "", "the cluster is open to everybody until the new list stands"),
    _row(FIREWALL, "delete", "", "the cluster is open to everybody"),
    _row(APP, "update", "", "new deployment: the old one serves until the new one answers its health check"),
    _row(APP, "replace", "", "away until the new one is deployed"),
    _row(APP, "delete", "", "away"),
    _row(VPC, "replace", "", "everything in it moves; private hosts change"),
    _row(VPC, "delete", "", "private hosts are gone"),
    *(_row(MONITOR_ALERT, operation, "", _NONE) for operation in ("update", "replace", "delete")),
    _row(MIGRATIONS, "create", "", "the pending migrations below run"),
    _row(MIGRATIONS, "update", "", "the pending migrations below run"),
)
# Without a row of its own a new thing touches nobody.
_OTHERWISE = {"create": _NONE, "import": _NONE}


def effect(step: Step) -> str | None:
    """What happens to running connections; None where this table does not tell."""
    for row in EFFECTS:
        fits = not row.properties or row.properties & set(step.changed)
        if row.type == step.type and row.operation == step.operation and fits:
            return row.text
    return _OTHERWISE.get(step.operation or "")


def disturbances(steps: Iterable[Step]) -> Iterator[tuple[Step, str]]:
    """The changes that somebody notices, or that nobody can vouch for."""
    for step in steps:
        text = effect(step)
        if text is None and step.type.startswith("digitalocean:"):
            yield step, "not known: look it up before merging"
        elif text is not None and text != _NONE and step.operation != "create":
            yield step, text if step.certain else f"perhaps {text}"


def losses(steps: Iterable[Step]) -> list[Step]:
    """The changes that delete data, the network that they live in, a copy that is read, or what protects them."""
    return [step for step in steps if loss(step) is not None]


def loss(step: Step) -> str | None:
    """What a change loses; None where it is nothing. What is deployed counts, not what the change says of itself."""
    if step.type == PHASE and step.operation in (None, "update"):
        return _given_up(step)
    kept = step.type in (*DATA, VPC, REPLICA) and step.old.get("engine") not in CACHES
    return effect(step) if kept and step.operation in ("delete", "replace") else None


def _given_up(step: Step) -> str | None:
    """What the record of a stack says that it gives up. Protection and environment alone are no update of it."""
    given_up = []
    if step.old.get("protect") and not step.new.get("protect"):
        given_up.append("what holds data is not protected any more")
    # A record of before tells no environment.
    if (step.old.get("environment"), step.new.get("environment")) == ("production", "development"):
        given_up.append("the stack is not production any more, and what it holds may be reset")
    if step.operation == "update" and step.new.get("abandon"):
        given_up.append(f"the clusters of {step.new['abandon']} may be deleted")
    return "; ".join(given_up) or None
