"""What of a stack is to move: its clusters as they are deployed, beside what its files ask for."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trellis.operations import up
from trellis.operations.databases import settings_of
from trellis.operations.engine import Deployed, engine_of, resource
from trellis.operations.errors import OperationError
from trellis.operations.move import fences
from trellis.operations.move.origins import FROM, origins
from trellis.operations.move.sides import Pair, Side
from trellis.operations.project import project
from trellis.operations.terminal import agree, say
from trellis.policies.kinds import CLUSTER, DROPLET, REPLICA, VOLUME

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings, Settings


MOVES = "trellis:moves"


@dataclass(frozen=True, kw_only=True)
class Stands:
    """A cluster that moves, or is to. Of one that is to, and has no second one yet:

    differs: what is deployed and what is asked for, in words. deployed: it, as `trellis:moves` records it.
    generation: the new one's number.
    Of one whose databases come from elsewhere: origins: database -> where. begun: whether they follow already.
    deployed_yet: whether it is there.
    """

    settings: "ClusterSettings"
    differs: tuple[str, ...] = ()
    deployed: Mapping[str, str | int] = field(default_factory=dict)
    generation: int = 0
    origins: Mapping[str, Side] = field(default_factory=dict)
    begun: bool = False
    deployed_yet: bool = True

    @property
    def both_stand(self) -> bool:
        """Whether the new one was asked for already."""
        return self.begun if self.origins else self.settings.beside is not None

    @property
    def new_serves(self) -> bool:
        """Whether applications use the new one."""
        return self.settings.fresh

    @property
    def what(self) -> str:
        """The move in words."""
        if self.origins:
            return f"{', '.join(side.name for side in self.origins.values())} → {self.settings.made_as}"
        old, new = self.ends
        return f"{old.name}: {_in_words(old)} → {_in_words(new)}"

    @property
    def as_before(self) -> bool:
        """Whether the files ask for what the old one is, so that the new one can go."""
        before, after = ((one.version, one.edition, one.self_hosted is None) for one in self.ends)
        old, new = self.ends
        return before == after and (new.self_hosted is not None or new.plan.memory_gib >= old.plan.memory_gib)

    @property
    def beside(self) -> "ClusterSettings":
        """The one that applications do not use. Raises OperationError where only one stands."""
        if self.settings.beside is None:
            raise OperationError(f"{self.settings.name} has not begun to move. Run `trellis move start`.")
        return self.settings.beside

    @property
    def ends(self) -> "tuple[ClusterSettings, ClusterSettings]":
        """The old and the new one."""
        return (self.beside, self.settings) if self.new_serves else (self.settings, self.beside)


def _in_words(cluster: "ClusterSettings") -> str:
    standbys = f", {cluster.nodes} nodes" if cluster.nodes > 1 else ""
    kind = "self-hosted" if cluster.self_hosted else cluster.edition
    return f"{cluster.made_as} ({kind} {cluster.version}, {cluster.plan.slug}{standbys})"


class Stack:
    """A stack's files, state and outputs."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.engine = engine_of(options.stack, options.config_file)
        self.settings: Settings = settings_of(self.engine, options)

    @cached_property
    def now(self) -> Deployed:
        """What is deployed, as this run's last deployment left it."""
        return self.engine.deployed()

    @property
    def dumps(self) -> Path:
        """Where the last dumps of clusters that go are kept."""
        return Path(self.options.dump_folder or project() / ".trellis" / "dumps" / self.options.stack)

    def moving(self) -> Iterator[Stands]:
        """The clusters that move, and those that have to. Raises OperationError where none is deployed."""
        foreign = origins(self.engine)
        for cluster in self.settings.clusters:
            if own := {one.name: foreign[one.name] for one in cluster.databases if one.name in foreign}:
                yield self._coming(cluster, own, self.now.resources)
            elif cluster.beside:
                yield Stands(settings=cluster)
            elif foreign and not resource(self.now.resources, CLUSTER, cluster.made_as):
                # It is made by the same `start`, and nothing comes into it.
                continue
            elif found := self._differing(cluster, self.now.resources):
                yield found

    def _differing(self, cluster: "ClusterSettings", resources: Any) -> Stands | None:
        from trellis.settings.catalogue import DROPLETS, PLANS
        from trellis.settings.system import Mode

        deployed = self._deployed(cluster, resources)
        wanted_mode = Mode.SELF_HOSTED if cluster.self_hosted else Mode.MANAGED
        changes = [
            ("mode", deployed["mode"], wanted_mode.value),
            ("PostgreSQL", deployed["version"], cluster.version),
        ]
        managed = deployed["mode"] == wanted_mode == Mode.MANAGED
        if managed:
            changes.append(("edition", deployed["edition"], cluster.edition.value))
        differs = [f"{what} {before} → {after}" for what, before, after in changes if before != after]
        plan = PLANS.get(str(deployed["plan"])) or DROPLETS.get(str(deployed["plan"]))
        if managed and plan and plan.memory_gib > cluster.plan.memory_gib:
            differs.append(f"plan {plan.slug} → {cluster.plan.slug}")
        if (region := str(self._made(cluster, resources)["inputs"]["region"])) != self.settings.region:
            raise OperationError(
                f"{cluster.made_as} is in {region}, and trellis:region is {self.settings.region}. Another region is "
                "another stack, whose databases come from this one's: docs/move.md says how."
            )
        if not differs:
            return None
        return Stands(settings=cluster, differs=tuple(differs), generation=cluster.generation + 1, deployed=deployed)

    def _made(self, cluster: "ClusterSettings", resources: Any) -> Any:
        """The cluster, or the Droplet of one's own, as it is deployed. Raises OperationError where it is not."""
        made = next(filter(None, (resource(resources, kind, cluster.made_as) for kind in (CLUSTER, DROPLET))), None)
        if made is None:
            raise OperationError(f"{cluster.made_as} is not deployed: there is nothing to move. `trellis up` makes it.")
        return made

    def _deployed(self, cluster: "ClusterSettings", resources: Any) -> Mapping[str, str | int]:
        """What `trellis:moves` says of the cluster that is deployed."""
        from trellis.settings.catalogue import Edition
        from trellis.settings.system import Mode

        made = self._made(cluster, resources)
        inputs = made["inputs"]
        known: dict[str, str | int] = {"generation": cluster.generation, "plan": str(inputs["size"])}
        if made["type"] == DROPLET:
            volume = resource(resources, VOLUME, f"{cluster.made_as}-data")
            if volume is None:
                raise OperationError(f"{cluster.made_as} has no volume in the stack's state.")
            with self._sides() as side, side(cluster, cluster.databases[0].name).connect() as connection:
                version = connection.info.server_version // 10000
            return {
                **known,
                "mode": Mode.SELF_HOSTED.value,
                "version": str(version),
                "volumeGib": int(volume["inputs"]["size"]),
            }
        replicas = sum(one["type"] == REPLICA and one["inputs"].get("clusterId") == made["id"] for one in resources)
        edition = next((one for one in Edition if one.engine == inputs["engine"]), Edition.STANDARD)
        return {
            **known,
            "mode": Mode.MANAGED.value,
            "version": str(inputs["version"]),
            "nodes": int(inputs.get("nodeCount", 1)),
            "replicas": replicas - (1 if self.settings.copy else 0),
            "edition": edition.value,
        }

    def _coming(self, cluster: "ClusterSettings", origins: Mapping[str, Side], resources: Any) -> Stands:
        if cluster.beside:
            raise OperationError(f"{cluster.name} moves already. Take {FROM} out until that has ended.")
        stands = Stands(
            settings=cluster,
            differs=tuple(f"from {side.name}" for side in origins.values()),
            origins=origins,
            deployed_yet=resource(resources, CLUSTER, cluster.made_as) is not None,
        )
        if not stands.deployed_yet:
            return stands
        with self.pairs(stands) as pairs:
            return replace(stands, begun=any(is_fenced(side) for pair in pairs for side in pair.way(to_new=True)))

    def record(self, stands: Stands, **changed: Any) -> None:
        """Writes what `trellis:moves` says of a cluster, in one step, so that no kill leaves half of it.

        None takes a key out.
        """
        moves = json.loads(self.engine.configuration().get(MOVES) or "{}")
        move = {**moves.get(stands.settings.key, {}), **changed}
        kept = {key: value for key, value in move.items() if value is not None}
        self.engine.set_object(MOVES, {**moves, stands.settings.key: kept})
        self.settings = settings_of(self.engine, self.options)

    def ask(self, question: str, consequence: str) -> None:
        """Raises OperationError, with what would have been, where nobody agrees."""
        agree(question, consequence, yes=self.options.yes)

    def deploy(self, may_delete: Sequence[str] = ()) -> None:
        """`trellis up`. Raises OperationError where it fails."""
        try:
            up.carry_out(self.options, may_delete)
        finally:
            vars(self).pop("now", None)

    def drop(self, stands: Stands) -> None:
        """Deletes the cluster that applications do not use, with all data in it; the other has the place for good."""
        kept, beside = stands.settings, stands.beside
        own = ("data", "dumps") if beside.self_hosted else ()
        inside = (*own, *(database.name for database in beside.databases))
        lost = [beside.made_as, *(f"{beside.made_as}-{one}" for one in inside)]
        self.engine.unprotect(lost)
        self.record(stands, old=None, at=None, wanted=kept.generation, serving=kept.generation)
        self.deploy(may_delete=lost)
        say(f"{kept.name} is {kept.made_as} now, and {beside.made_as} is gone.")

    @contextmanager
    def sources(self, stands: Stands) -> Iterator[tuple[Side, ...]]:
        """The databases of a cluster that is to move."""
        if stands.origins:
            yield tuple(stands.origins.values())
            return
        with self._sides() as side:
            yield tuple(side(stands.settings, database.name) for database in stands.settings.databases)

    @contextmanager
    def pairs(self, stands: Stands) -> Iterator[tuple[Pair, ...]]:
        """The databases of a cluster that stands twice, or of one that come from elsewhere."""
        if stands.origins:
            with self._sides() as side:
                yield tuple(
                    Pair(old=origin, new=side(stands.settings, database, public=True), foreign=True)
                    for database, origin in stands.origins.items()
                )
            return
        old, new = stands.ends
        with self._sides() as side:
            yield tuple(Pair(old=side(old, database.name), new=side(new, database.name)) for database in new.databases)

    @contextmanager
    def _sides(self) -> "Iterator[Callable[..., Side]]":
        """Finds the way to a cluster's database. Certificates lie in a folder of their own meanwhile."""
        from psycopg.conninfo import conninfo_to_dict

        from trellis.migrator import Target

        outputs, resources = self.now.outputs, self.now.resources
        with TemporaryDirectory(prefix="trellis-") as folder:

            def side(cluster: "ClusterSettings", database: str, *, public: bool = False) -> Side:
                serves = any(cluster is one for one in self.settings.clusters)
                beside = outputs.get("moving", {}).get(cluster.name, {})
                uris = outputs["direct_uris"].get(cluster.name) if serves else beside.get("direct_uris")
                if not uris:
                    raise OperationError(f"{cluster.made_as} is not deployed yet. Run `trellis move start`.")
                made = self._made(cluster, resources)
                authority = Path(folder, f"{cluster.made_as}.crt")
                authority.write_text(
                    str(outputs["ca_certificates"][cluster.name] if serves else beside["ca_certificate"])
                )
                parameters = conninfo_to_dict(str(uris[database]), sslrootcert=str(authority))
                peer = {key: str(value) for key, value in parameters.items() if key != "sslrootcert"}
                # The other server has no copy of the authority's certificate.
                private = "ipv4AddressPrivate" if made["type"] == DROPLET else "privateHost"
                reached = {"host": str(made["outputs"]["host" if public else private]), "sslmode": "require"}
                reviews = (outputs["review_uris"].get(cluster.name) if serves else beside.get("review_uris")) or {}
                reviewer = conninfo_to_dict(str(reviews[database])) if database in reviews else {}
                # A server of one's own makes its logins itself.
                password = None if cluster.self_hosted else str(reviewer.get("password"))
                return Side(
                    cluster=cluster.made_as,
                    database=database,
                    target=Target(parameters),
                    peer=peer | reached,
                    reviewer=(str(reviewer["user"]), password) if reviewer else None,
                )

            yield side


def is_fenced(side: Side) -> bool:
    """Whether a move, or a restore, has set its fence up there."""
    with side.connect() as connection:
        return fences.is_set_up(connection)
