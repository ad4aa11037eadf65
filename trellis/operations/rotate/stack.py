"""A stack whose passwords change: its roles, their logins, and the ways to them."""

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from trellis.operations import up
from trellis.operations.databases import settings_of
from trellis.operations.engine import Deployed, engine_of, resource
from trellis.operations.errors import OperationError
from trellis.operations.ownership import Clouds
from trellis.operations.rotate.sessions import Nodes
from trellis.operations.terminal import agree, tell
from trellis.policies.kinds import CLUSTER, PASSWORD, USER, VOLUME
from trellis.settings.catalogue import FIRST_DATABASE
from trellis.settings.resolved import second_login

if TYPE_CHECKING:
    from trellis.migrator import Target
    from trellis.settings import ClusterSettings, Settings

LOGINS = "trellis:logins"
Resources = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A role whose logins take turns. old, wanted: the login that served, and the one that is to.

    clusters: the names of those that have it. begun: whether the stack's config says so already. closing: whether the
    old one was reset by a run before. round: the number of the rotation where a cluster is self-hosted, else 0.
    """

    role: str
    old: str
    wanted: str
    clusters: Sequence[str]
    begun: bool = False
    closing: bool = False
    round: int = 0

    @property
    def serves(self) -> int:
        """The number in the stack's config of the login that is to serve."""
        return 1 if self.wanted == self.role else 2

    def steps(self) -> Iterator[str]:
        """What is left to do, each in words."""
        if not self.begun:
            yield f"{self.wanted}: make it, or reset it; nobody uses it"
        if not self.closing:
            yield f"{self.role}: let {self.old} and {self.wanted} in, and deploy what uses it with {self.wanted}"
            yield f"{self.old}: reset it when nobody has used it for a while"
        yield f"{self.role}: let {self.wanted} in alone, and end what sessions {self.old} still has"


class Stack:
    """A stack's files, state, outputs and cloud."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.engine = engine_of(options.stack, options.config_file)
        self.clouds = Clouds(self.engine)
        self.settings: Settings = settings_of(self.engine, options)
        self._resources: Resources = self.engine.state().get("resources") or ()

    def roles(self) -> Sequence[str]:
        """Every user of the stack's clusters."""
        return list(dict.fromkeys(user for cluster in self.settings.clusters for user in cluster.users))

    def turn(self, role: str) -> Turn:
        """Where a role stands."""
        clusters = [cluster for cluster in self.settings.clusters if role in cluster.users]
        # What is left of another mode means nothing to a self-hosted cluster.
        rotated = any(role in cluster.logins for cluster in clusters)
        state = self._logins()[role] if rotated else {"serves": 1}
        names = (role, second_login(role))
        changing = state.get("changing")
        # A rotation that has begun goes on to the login that it has named.
        wanted = names[state["serves"] - 1] if changing else names[2 - state["serves"]]
        (old,) = set(names) - {wanted}
        return Turn(
            role=role,
            old=old,
            wanted=wanted,
            clusters=[cluster.name for cluster in clusters],
            begun=bool(changing),
            closing=changing == "closing",
            round=state.get("round", 0) + (not changing) if any(one.self_hosted for one in clusters) else 0,
        )

    def refuse_what_cannot_be(self, turns: Sequence[Turn]) -> None:
        """Raises OperationError, before anything changes, where a rotation would not go through."""
        concerned = {name for turn in turns for name in turn.clusters}
        for cluster in self.settings.clusters:
            if not (self.options.administrator or cluster.name in concerned):
                continue
            if cluster.self_hosted and self.options.administrator:
                raise OperationError(
                    f"{cluster.name} is self-hosted: its Droplet is told the administrator's password when it is "
                    "built. Nothing was changed. For another one build it again, as docs/self-hosted.md says, with `-- "
                    f"--replace URN` behind `trellis up --stack {self.options.stack}`: the URN of {cluster.made_as}-"
                    "doadmin (`pulumi stack --show-urns`)."
                )
            kind, name = (VOLUME, f"{cluster.made_as}-data") if cluster.self_hosted else (CLUSTER, cluster.made_as)
            if resource(self._resources, kind, name) is None:
                raise OperationError(
                    f"{cluster.name} is not deployed: there is no password yet. `trellis up` makes it."
                )
            if cluster.beside:
                raise OperationError(
                    f"{cluster.name} is moving, or being restored. Nothing was changed. End that first, with "
                    "`trellis move finish` or `trellis restore finish`."
                )
        if turns:
            self._refuse_without_right(turns)

    def _refuse_without_right(self, turns: Sequence[Turn]) -> None:
        from trellis.migrator import MigrationError, joins_itself, may_join

        with self.reached() as reached:
            for turn in turns:
                for nodes in reached.nodes(turn):
                    own = nodes.self_hosted
                    try:
                        allowed = joins_itself(nodes.targets[0]) if own else may_join(nodes.targets[0], turn.role)
                    except MigrationError as error:
                        raise OperationError(str(error)) from None
                    if not allowed and own:
                        raise OperationError(
                            f"The server of {nodes.cluster} was built before a user could have a second login. Nothing "
                            "was changed. Build its Droplet again, with the same data, as docs/self-hosted.md says, "
                            "and run the same command."
                        )
                    if not allowed:
                        raise OperationError(
                            f"The administrator of {nodes.cluster} may not grant {turn.role} to a second login. "
                            "Nothing was changed. Reset its password (`doctl databases user reset`) and run `trellis "
                            "up`: who connects between the two is refused. Or ask DigitalOcean's support for the ADMIN "
                            "option on it."
                        )

    def ask(self, turns: Sequence[Turn]) -> None:
        """Raises OperationError where nobody agrees."""
        names = [*(turn.role for turn in turns), *(["the administrator"] if self.options.administrator else ())]
        agree(
            f"The password of {', '.join(names)} changes, and apps are deployed anew. Go on?",
            f"The password of {', '.join(names)} would change.",
            yes=self.options.yes,
        )

    def write(self, turns: Sequence[Turn], *, changing: Literal["both", "closing"] | None) -> None:
        """Writes how far these are into the stack's config, in one step."""
        step = {"changing": changing} if changing else {}
        written = {
            turn.role: {"serves": turn.serves, **step, **({"round": turn.round} if turn.round else {})}
            for turn in turns
        }
        self.engine.set_object(LOGINS, {**self._logins(), **written})

    def deploy(self) -> None:
        """`trellis up`. Raises OperationError where it fails."""
        up.carry_out(self.options)
        self._resources = self.engine.state().get("resources") or ()

    def reset(self, turn: Turn, login: str) -> None:
        """Gives a login another password, on each of its managed clusters where it is. Raises OperationError.

        A self-hosted one's comes with the deployment after the round, or its step, was written.
        """
        for cluster in self.settings.clusters:
            if cluster.name in turn.clusters and resource(self._resources, USER, f"{cluster.made_as}-{login}"):
                self._reset(cluster, login)
                tell(f"{login} of {cluster.name}: reset")

    def reset_administrator(self, cluster: "ClusterSettings") -> None:
        """The same for the administrator."""
        self._reset(cluster, self.administrator(cluster))

    def administrator(self, cluster: "ClusterSettings") -> str:
        """What the administrator is called."""
        made = resource(self._resources, CLUSTER, cluster.made_as) or {}
        return str((made.get("outputs") or {}).get("user", "doadmin"))

    def remind_to_commit(self, turns: Sequence[Turn]) -> None:
        """Says that the stack's config is another one now."""
        if turns and not self.options.json:
            name = Path(self.options.config_file or f"Pulumi.{self.options.stack}.yaml").name
            tell(f"{name} says which login serves, under {LOGINS}: commit it.")

    @contextmanager
    def reached(self) -> "Iterator[Reached]":
        """The ways to the stack's servers as they are now. Certificates lie in a folder of their own meanwhile."""
        with TemporaryDirectory(prefix="trellis-") as folder:
            yield Reached(self.settings, self.engine.deployed(), Path(folder))

    def _reset(self, cluster: "ClusterSettings", login: str) -> None:
        made = resource(self._resources, CLUSTER, cluster.made_as)
        assert made is not None, f"{cluster.made_as} is deployed, or the command was refused"  # noqa: S101
        # A repeated one does no harm: nobody uses this login. Its answer holds the password, and goes nowhere.
        self.clouds.digitalocean.call("POST", f"/v2/databases/{made['id']}/users/{login}/reset_auth", {})

    def _logins(self) -> dict[str, Any]:
        return dict(json.loads(self.engine.configuration().get(LOGINS) or "{}"))


class Reached:
    """The ways to a stack's servers."""

    def __init__(self, settings: "Settings", deployed: Deployed, folder: Path) -> None:
        self._settings, self._deployed, self._folder = settings, deployed, folder

    def nodes(self, turn: Turn) -> Iterator[Nodes]:
        """The administrator's ways to the servers of each cluster of a role."""
        for cluster in self._clusters(turn):
            primary = self._direct(cluster, cluster.databases[0].name)
            if cluster.self_hosted:
                primary["dbname"] = FIRST_DATABASE
            replicas = {
                (one["host"], one["port"]) for one in map(_read, (self._uris("replica_uris", cluster)).values())
            }
            targets = [primary, *({**primary, "host": host, "port": port} for host, port in sorted(replicas))]
            own = cluster.self_hosted is not None
            yield Nodes(cluster=cluster.name, self_hosted=own, targets=[_target(one) for one in targets])

    def ways(self, turn: Turn) -> "Iterator[Target]":
        """The ways of the login that is to serve: direct, and by each pool of its role."""
        for cluster in self._clusters(turn):
            kind, at = (PASSWORD, "result") if cluster.self_hosted else (USER, "password")
            made = resource(self._deployed.resources, kind, f"{cluster.made_as}-{turn.wanted}")
            if made is None:
                raise OperationError(f"{turn.wanted} is not in the stack's state, though it was deployed.")
            login = {"user": turn.wanted, "password": str(made["outputs"][at])}
            pools = [pool for pool in cluster.pools if pool.user == turn.role]
            using = [pool.database for pool in pools]
            granted = [one.name for one in cluster.databases if turn.role in one.roles.values()]
            # A self-hosted server lets nobody pass by his pool.
            if not (cluster.self_hosted and pools):
                yield _target({**self._direct(cluster, [*granted, *using, cluster.databases[0].name][0]), **login})
            pooled = self._uris("pooled_uris", cluster)
            for pool in pools:
                yield _target({**_read(pooled[pool.name]), "sslrootcert": self._authority(cluster), **login})

    def _clusters(self, turn: Turn) -> "Iterator[ClusterSettings]":
        return (cluster for cluster in self._settings.clusters if cluster.name in turn.clusters)

    def _direct(self, cluster: "ClusterSettings", database: str) -> dict[str, str]:
        uri = self._uris("direct_uris", cluster).get(database, "")
        # What depends on something that failed has no address among the outputs.
        if not uri.startswith("postgresql://"):
            raise OperationError(f"{cluster.name}/{database} is not deployed, or not to its end. Run `trellis up`.")
        return {**_read(uri), "sslrootcert": self._authority(cluster)}

    def _uris(self, kind: str, cluster: "ClusterSettings") -> Mapping[str, str]:
        return dict((self._deployed.outputs.get(kind) or {}).get(cluster.name) or {})

    def _authority(self, cluster: "ClusterSettings") -> str:
        file = self._folder / f"{cluster.name}.crt"
        file.touch(mode=0o600)
        file.write_text(str(self._deployed.outputs["ca_certificates"][cluster.name]))
        return str(file)


def _read(uri: str) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict

    return {key: str(value) for key, value in conninfo_to_dict(str(uri)).items()}


def _target(parameters: Mapping[str, str]) -> "Target":
    from trellis.migrator import Target

    return Target(parameters)
