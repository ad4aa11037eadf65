"""The subcommands `run` and `env`: the environment that App Platform gives an app, for a program of this machine."""

import json
import os
import signal
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from trellis.fingerprint import fingerprint
from trellis.operations.databases import settings_of
from trellis.operations.engine import engine_of
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.terminal import say, tell

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings, Settings

CANNOT_RUN = 126
NO_SUCH_PROGRAM = 127
"""What a shell says of either, too."""

# What a program gets that uses a pool and is no app of the system: docs/connect.md reads these two.
_OF_A_POOL = {"DATABASE_URL": "${pool.url}", "DATABASE_CA_CERT": "${pool.ca}"}


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is to run. environment: with its references. cluster, pool, cache: what these stand for, or None."""

    name: str
    environment: Mapping[str, str]
    cluster: "ClusterSettings | None" = None
    pool: str | None = None
    cache: str | None = None

    @property
    def names(self) -> Sequence[str]:
        """The variables, those included that make a new deployment of a new password."""
        used = (("DATABASE", self.pool), ("CACHE", self.cache))
        return (*self.environment, *(f"{kind}_CREDENTIALS_FINGERPRINT" for kind, name in used if name))


def run(options: Namespace) -> int:
    """Becomes the program, whose end is then this command's; or names the variables and returns 0."""
    engine = engine_of(options.stack, options.config_file)
    settings = settings_of(engine, options)
    program = found(options.app, settings)
    if options.command == "env":
        names = program.names
        say(json.dumps({"command": "env", "app": program.name, "names": names}) if options.json else "\n".join(names))
        return 0
    command = options.program[1:] if options.program[0] == "--" else options.program
    try:
        values = environment(program, settings, engine.deployed().outputs)
    except KeyError as missing:
        raise OperationError(
            f"The stack {options.stack!r} does not have all that {program.name} uses yet: its outputs lack {missing}. "
            f"Deploy it with `trellis up --stack {options.stack}`."
        ) from None
    return _become(command, {**os.environ, **values})


def environment(program: Program, settings: "Settings", outputs: Mapping[str, Any]) -> dict[str, str]:
    """Every variable with its value. Hosts are those that this machine reaches, by trellis:migrationEndpoint.

    Raises KeyError for what the stack's outputs do not have.
    """
    from trellis.settings.app import REFERENCE

    references = {
        **_pool(program, outputs),
        **_cache(program, outputs),
        **{key: value for app in settings.apps for key, value in _app(app.name, app.domains, outputs)},
    }
    values = {
        name: REFERENCE.sub(lambda found: references[found.group(1)], text)
        for name, text in program.environment.items()
    }
    passwords = (
        references[f"{kind}.password"] for kind, used in (("pool", program.pool), ("cache", program.cache)) if used
    )
    fingerprints = map(fingerprint, passwords)
    return {**values, **dict(zip(program.names[len(values) :], fingerprints, strict=True))}


def found(name: str, settings: "Settings") -> Program:
    """The app of that name, else the pool. Raises WrongCall where there is none, or pools in several clusters."""
    clusters = {cluster.key: cluster for cluster in settings.clusters}
    apps = [
        Program(
            name=app.name,
            environment=app.app.environment,
            cluster=clusters[app.cluster] if app.cluster else None,
            pool=app.pool,
            cache=app.cache,
        )
        for app in settings.apps
    ]
    pools = [
        Program(name=f"{cluster.name}/{pool.name}", environment=_OF_A_POOL, cluster=cluster, pool=pool.name)
        for cluster in settings.clusters
        for pool in cluster.pools
    ]
    meant = [app for app in apps if app.name == name] or [one for one in pools if name in (one.name, one.pool)]
    if len(meant) > 1:
        raise WrongCall(f"{name!r} is in several clusters. Say which: {', '.join(one.name for one in meant)}.")
    if not meant:
        known, others = (", ".join(sorted(one.name for one in some)) or "none" for some in (apps, pools))
        raise WrongCall(
            f"{settings.system} has no app {name!r}. Apps: {known}. Pools, for a program that is none: {others}."
        )
    return meant[0]


def _pool(program: Program, outputs: Mapping[str, Any]) -> dict[str, str]:
    if program.cluster is None or program.pool is None:
        return {}
    cluster, pool = program.cluster.name, program.pool
    replica = outputs["replica_uris"].get(cluster, {}).get(f"{pool}-1", "")
    whole = _parts("pool", outputs["pooled_uris"][cluster][pool]) | _parts("replica", replica)
    return {**whole, "pool.name": pool, "pool.ca": outputs["ca_certificates"][cluster]}


def _cache(program: Program, outputs: Mapping[str, Any]) -> dict[str, str]:
    if program.cache is None:
        return {**_parts("cache", ""), "cache.ca": ""}
    found = _parts("cache", outputs["cache_uris"][program.cache])
    # The address as the app has it: its clients take what follows the port for the number of a database.
    address = "rediss://{cache.user}:{cache.password}@{cache.host}:{cache.port}"
    for key, value in found.items():
        address = address.replace(f"{{{key}}}", value)
    return {**found, "cache.url": address, "cache.ca": outputs["cache_ca_certificates"][program.cache]}


def _parts(kind: str, uri: str) -> dict[str, str]:
    """What the references of a kind stand for. All are empty where there is no such thing in this phase or stack."""
    at = urlsplit(uri)
    values = {
        "url": uri,
        "host": at.hostname or "",
        "port": str(at.port or ""),
        "user": unquote(at.username or ""),
        "password": unquote(at.password or ""),
    }
    return {f"{kind}.{name}": value for name, value in values.items()}


def _app(name: str, domains: Sequence[str], outputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if name in outputs["app_urls"]:
        host = domains[0] if domains else str(urlsplit(outputs["app_urls"][name]).hostname)
        yield f"apps.{name}.host", host
        yield f"apps.{name}.url", f"https://{host}"


def _become(command: Sequence[str], values: Mapping[str, str]) -> int:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores them, and whatever it becomes would.
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), values)  # noqa: S606
    except FileNotFoundError:
        tell(f"error: there is no program {command[0]}.")
        return NO_SUCH_PROGRAM
    except OSError as error:
        tell(f"error: {command[0]} cannot be run: {error.strerror}.")
        return CANNOT_RUN
