"""The clusters of a stack as a drill and a rescue need them: how to order one like it, and the ways in."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trellis.operations.backup.command import side
from trellis.operations.databases import Database, opened, settings_of
from trellis.operations.drill.temporary import Origin
from trellis.operations.engine import Engine, engine_of, resource
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move.sides import Side
from trellis.operations.ownership import Clouds, at
from trellis.policies.kinds import CLUSTER

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings, Settings

_VPC = "digitalocean:index/vpc:Vpc"


@dataclass(frozen=True, kw_only=True)
class Stood:
    """A cluster of the stack, and its databases."""

    settings: "ClusterSettings"
    origin: Origin
    databases: tuple[Database, ...]

    @property
    def sides(self) -> tuple[Side, ...]:
        """The ways to its databases."""
        return tuple(map(side, self.databases))


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack that is deployed."""

    engine: Engine
    settings: "Settings"
    clouds: Clouds
    clusters: tuple[Stood, ...]

    @property
    def private(self) -> bool:
        """Whether this machine reaches clusters by their VPC."""
        return self.settings.migration_endpoint == "private"


@contextmanager
def stack(options: Namespace) -> Iterator[Stack]:
    """The stack that the arguments name, with the clusters that they name. Raises OperationError, and WrongCall."""
    engine = engine_of(options.stack, options.config_file)
    settings = settings_of(engine, options)
    known = [cluster.name for cluster in settings.clusters]
    for name in options.clusters:
        if name not in known:
            raise WrongCall(f"There is no cluster {name!r} in this stack. Known: {', '.join(known)}.")
    clouds = Clouds(engine)
    deployed = engine.deployed()
    with opened(options, deployed) as (databases, _):
        yield Stack(
            engine=engine,
            settings=settings,
            clouds=clouds,
            clusters=tuple(
                Stood(
                    settings=cluster,
                    origin=_origin(cluster, settings, deployed.resources, clouds),
                    databases=tuple(one for one in databases if one.name.startswith(f"{cluster.name}/")),
                )
                for cluster in settings.clusters
                if not options.clusters or cluster.name in options.clusters
            ),
        )


def _origin(cluster: "ClusterSettings", settings: "Settings", resources: Any, clouds: Clouds) -> Origin:
    from trellis.settings.catalogue import PHASE_PLANS, PLANS

    if cluster.self_hosted is None:
        made = resource(resources, CLUSTER, cluster.made_as)
        if made is None:
            raise OperationError(f"{cluster.made_as} is not deployed.")
        there = at(clouds.digitalocean.get(f"/v2/databases/{made['id']}"), "database")
        if there is None:
            raise OperationError(f"{cluster.made_as} is gone from DigitalOcean. docs/disasters.md says what to do.")
        return Origin(
            id=there["id"],
            name=there["name"],
            engine=there["engine"],
            version=str(there["version"]),
            size=there["size"],
            region=there["region"],
            network=there["private_network_uuid"],
            storage_mib=there.get("storage_size_mib"),
        )
    # A server of one's own has no copies at the cloud: a managed cluster of the phase stands in for another Droplet.
    (network,) = (one for one in resources if one["type"] == _VPC and one["outputs"]["region"] == settings.region)
    return Origin(
        id=str(network["id"]),
        name=settings.physical(cluster.name),
        engine="pg",
        version=cluster.version,
        size=PLANS[PHASE_PLANS[settings.phase]].slug,
        region=settings.region,
        network=str(network["id"]),
        storage_mib=None,
    )
