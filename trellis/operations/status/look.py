"""One look at a stack: everything that is asked, side by side, and what is to be said of it."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trellis.monitoring.findings import Finding, Severity
from trellis.operations.databases import Sources, settings_of, sources_of
from trellis.operations.engine import engine_of
from trellis.operations.errors import OperationError
from trellis.operations.ownership import Clouds
from trellis.operations.status import checking, cloud, history, watching
from trellis.operations.status.asking import Answers, MachineState, ask_cluster, ask_database, ask_machine
from trellis.operations.status.certificates import ends
from trellis.operations.status.judging import judge
from trellis.operations.status.ways import Tried, Way, attempt, ways

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings, Settings
    from trellis.settings.resolved import PoolSettings

_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack's files, outputs and state, read once. made: when it first was. folder: closed to others."""

    name: str
    settings: "Settings"
    sources: Sequence[Sources]
    outputs: Mapping[str, Any] = field(repr=False)
    resources: Sequence[Mapping[str, Any]] = field(repr=False)
    clouds: Clouds
    made: datetime
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A cluster as it was seen. facts: None of one that is self-hosted, or where the cloud could not be asked.

    machine: what a self-hosted server says of its own work. certificates: what they are -> their end.
    """

    settings: "ClusterSettings"
    managed: bool
    tried: Sequence[Tried]
    server: Answers
    databases: Mapping[str, Answers]
    facts: cloud.Facts | None
    machine: Mapping[str, MachineState]
    certificates: Mapping[str, datetime]
    logins: Mapping[str, datetime]
    past: history.Past
    checks: Sequence[checking.Answer]

    def clients_of(self, pool: "PoolSettings") -> tuple[int, int] | None:
        """Its server connections, open and at work; None where the server was not asked. Pools of one login to one
        database are seen as one."""
        if self.server.figures is None:
            return None
        return self.server.figures.clients.get((self.settings.serving(pool.user), pool.database), (0, 0))


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one look found. findings: the worst first."""

    stack: Stack
    at: datetime
    clusters: Sequence[Seen]
    findings: Sequence[Finding]

    @property
    def worst(self) -> Severity | None:
        """The worst finding's."""
        return max((one.severity for one in self.findings), key=lambda found: found.rank, default=None)


@contextmanager
def opened(options: Namespace) -> Iterator[Stack]:
    """Reads what the arguments name. Raises OperationError."""
    engine = engine_of(options.stack, options.config_file)
    settings = settings_of(engine, options)
    deployed = engine.deployed()
    if "direct_uris" not in deployed.outputs:
        raise OperationError(f"The stack {options.stack!r} is not deployed yet. `trellis up` deploys it.")
    with TemporaryDirectory(prefix="trellis-") as folder:
        yield Stack(
            name=options.stack,
            settings=settings,
            sources=sources_of(settings, options),
            outputs=deployed.outputs,
            resources=deployed.resources,
            clouds=Clouds(engine),
            made=cloud.made(deployed.resources),
            folder=Path(folder),
        )


def look(stack: Stack, *, grants: bool = False, postgresql: Path | None = None) -> Page:
    """Asks everything once.

    grants: whether roles are compared with what the files give, for which a throw-away server is started; postgresql:
    its programs, as `server_programs` takes them. Raises OperationError where there are none.
    """
    at = datetime.now(UTC)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        watched = pool.submit(lambda: list(watching.ask(stack.name, stack.outputs, stack.resources)))
        asked = [_Asked(stack, cluster, pool) for cluster in stack.settings.clusters]
        seen = [one.result() for one in asked]
    findings = [
        *watched.result(),
        *(finding for one in asked for finding in one.failures),
        *(finding for cluster in seen for finding in judge(stack, cluster, at)),
        *(_grants(stack, seen, postgresql) if grants else ()),
    ]
    findings.sort(key=lambda one: -one.severity.rank)
    return Page(stack=stack, at=at, clusters=seen, findings=findings)


def _grants(stack: Stack, clusters: Sequence[Seen], postgresql: Path | None) -> Iterator[Finding]:
    from trellis.operations.check.shadow.server import Servers
    from trellis.operations.status.grants import compare

    open_ways = {
        f"{one.way.cluster}/{one.way.name}": one.way
        for seen in clusters
        for one in seen.tried
        if one.way.kind == "direct" and not one.error
    }
    with Servers(postgresql) as servers:
        for sources in stack.sources:
            if sources.name in open_ways:
                yield from compare(servers, sources, open_ways[sources.name])


class _Asked:
    """What is asked of one cluster, under way on the threads of a pool."""

    def __init__(self, stack: Stack, cluster: "ClusterSettings", pool: ThreadPoolExecutor) -> None:
        self._stack = stack
        self._cluster = cluster
        self._pool = pool
        self.failures: list[Finding] = []
        self._limit = cluster.plan.connections
        found = list(ways(cluster, stack.outputs, stack.folder))
        direct = {way.name: way for way in found if way.kind == "direct"}
        self._ways = found
        # A replica is measured by where the primary was before it was asked.
        self._server = pool.submit(self._first, list(direct.values()))
        self._databases = {
            one.database: pool.submit(ask_database, direct[one.database], one, self._limit)
            for one in stack.sources
            if one.name.startswith(f"{cluster.name}/") and one.database in direct
        }
        pools = {way.name: way for way in found if way.kind == "pool"}
        self._checks = [
            (check, pools.get(check.pool)) for check in stack.settings.checks if check.cluster == cluster.name
        ]
        self._facts = pool.submit(self._cloud)
        self._machine = pool.submit(ask_machine, next(iter(direct.values()), None) if cluster.self_hosted else None)
        self._certificates = pool.submit(ends, found, stack.outputs, cluster.name, stack.folder)

    def _first(self, direct: Sequence[Way]) -> Answers:
        return next((found for way in direct if (found := ask_cluster(way, self._limit)).figures), Answers())

    def _cloud(self) -> cloud.Facts | None:
        if self._cluster.self_hosted:
            return None
        try:
            found = cloud.facts(self._stack.clouds.digitalocean, self._stack.resources, self._cluster)
            if found is None:
                self._fail("cluster-gone", Severity.CRITICAL, "DigitalOcean has no such cluster", "trellis up")
            return found
        except OperationError as error:
            what = f"DigitalOcean was not asked for status and backups: {error}"
            do = "Set DIGITALOCEAN_TOKEN to a token that may read databases"
            self._fail("cloud-not-asked", Severity.WARNING, what, do)
            return None

    def _fail(self, name: str, severity: Severity, what: str, do: str) -> None:
        self.failures.append(Finding(name=name, severity=severity, where=self._cluster.name, what=what, do=do))

    def result(self) -> Seen:
        """All of it."""
        server = self._server.result()
        position = server.figures.position if server.figures else None
        # After that: what they take of their pools is not to be counted.
        checks = list(self._pool.map(lambda one: checking.ask(*one), self._checks))
        return Seen(
            settings=self._cluster,
            managed=self._cluster.self_hosted is None,
            tried=list(self._pool.map(lambda way: attempt(way, position), self._ways)),
            server=server,
            databases={name: asked.result() for name, asked in self._databases.items()},
            facts=self._facts.result(),
            machine=self._machine.result(),
            certificates=self._certificates.result(),
            logins=cloud.credentials(self._stack.resources, self._cluster),
            checks=checks,
            past=history.of(self._stack.name, self._cluster.name),
        )
