"""Which databases a command works on, and how each is reached."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from trellis.operations.engine import Deployed, Engine, engine_of
from trellis.operations.errors import OperationError, WrongCall

if TYPE_CHECKING:
    from trellis.migrator import Target
    from trellis.settings import Settings

Outputs = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The SQL of one database.

    name: cluster/database, or what the URL says. postgresql: major version, as text.
    seeds: the folder of test data, where the stack asks for it. production: whom the stack serves.
    """

    name: str
    database: str
    folder: Path
    placeholders: Mapping[str, str]
    schema: str = "public"
    postgresql: str = "17"
    seeds: Path | None = None
    production: bool = True


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database, its SQL and the way to it. `sources` has no folder where the command needs none.

    reviewer: the login that reviews it; None where there is none.
    """

    sources: Sources
    target: "Target"
    reviewer: str | None = None

    @property
    def name(self) -> str:
        """What output and errors call it."""
        return self.sources.name


@contextmanager
def opened(options: Namespace, deployed: Deployed | None = None) -> Iterator[tuple[Sequence[Database], Sequence[str]]]:
    """The databases that the arguments name, and warnings about the arguments.

    deployed: what the stack has, where that is known already.

    The CA certificates of a stack lie in a temporary folder meanwhile, which only this account can read. Raises
    WrongCall for arguments that do not fit together, OperationError when the stack cannot be read, or is in another
    mode than its file says.
    """
    if options.url is not None:
        yield _single(options)
        return
    with standing(options, deployed) as (databases, new):
        for sources in new:
            raise OperationError(
                f"The stack {options.stack!r} has no database {sources.name} yet: the system file names it, and its "
                f"outputs do not. Deploy it with `pulumi up --stack {options.stack}`."
            )
        yield databases, ()


@contextmanager
def standing(
    options: Namespace, deployed: Deployed | None = None
) -> Iterator[tuple[Sequence[Database], Sequence[Sources]]]:
    """The stack's databases that are deployed, and the SQL of those that are not yet. Otherwise as `opened`."""
    _refuse_url_options(options)
    engine = engine_of(options.stack, options.config_file)
    loaded = settings_of(engine, options)
    known = chosen(sources_of(loaded, options), options.databases)
    outputs = (deployed or engine.deployed()).outputs
    if (mode := outputs.get("mode", loaded.mode)) != loaded.mode:
        raise OperationError(
            f"trellis:mode of the stack {options.stack!r} is {loaded.mode} in its file, but {mode} is deployed. Was a "
            f"change not committed? Set it to {mode}."
        )
    with TemporaryDirectory(prefix="trellis-") as folder:
        kind = "review_uris" if getattr(options, "reviewer", False) else "direct_uris"
        reached = [(sources, _reached(sources, outputs, kind, Path(folder))) for sources in known]
        yield [one for _, one in reached if one], [sources for sources, one in reached if one is None]


def sources(options: Namespace) -> Sequence[Sources]:
    """The SQL that the arguments name, without any way to a database.

    Raises WrongCall and OperationError, as `opened` does.
    """
    if options.folder is not None:
        return [_local(options, "database")]
    _refuse_url_options(options)
    loaded = settings_of(engine_of(options.stack, options.config_file), options)
    return chosen(sources_of(loaded, options), options.databases)


def chosen(known: Sequence[Sources], names: Sequence[str]) -> Sequence[Sources]:
    """Those that the names mean; all without names.

    names: "cluster/database", or a database's name where only one cluster has it. Raises WrongCall for a name that
    means none or several.
    """
    listed = ", ".join(sources.name for sources in known)
    found: dict[str, Sources] = {}
    for name in names:
        meant = [sources for sources in known if name in (sources.name, sources.database)]
        if not meant:
            raise WrongCall(f"There is no database {name!r} in this stack. Known: {listed}.")
        if len(meant) > 1:
            raise WrongCall(f"{name!r} is in several clusters. Say which: {', '.join(one.name for one in meant)}.")
        found[meant[0].name] = meant[0]
    return list(found.values()) if names else known


def _refuse_url_options(options: Namespace) -> None:
    given = [f"--{name}" for name in ("folder", "placeholders") if getattr(options, name, None)]
    if given:
        raise WrongCall(f"{given[0].removesuffix('s')} belongs to a database without a stack: give --url too.")


def _single(options: Namespace) -> tuple[Sequence[Database], Sequence[str]]:
    from psycopg.conninfo import conninfo_to_dict

    from trellis.migrator import MigrationError, Target

    if options.databases:
        raise WrongCall(f"{options.databases[0]!r} names a database of a stack, and --url names one already.")
    if getattr(options, "folder", None) is None and options.command != "baseline":
        raise WrongCall("--url needs --folder, the folder of the database's SQL.")
    try:
        target = Target(options.url, schema=options.schema)
    except MigrationError as error:
        raise WrongCall(str(error)) from None
    parameters = conninfo_to_dict(options.url)
    name = str(parameters.get("dbname") or parameters.get("user") or "database")
    warnings = (
        ["The URL holds a password, which the list of processes shows to everybody. Set PGPASSWORD instead."]
        if parameters.get("password")
        else []
    )
    sources = _local(options, name)
    return [Database(sources=sources, target=target.beside(sources.folder))], warnings


def _local(options: Namespace, name: str) -> Sources:
    if options.databases:
        raise WrongCall(f"{options.databases[0]!r} names a database of a stack, and --folder names SQL without one.")
    return Sources(
        name=name,
        database=name,
        folder=getattr(options, "folder", None) or Path(),
        placeholders=dict(getattr(options, "placeholders", ())),
        schema=options.schema,
    )


def sources_of(loaded: "Settings", options: Namespace) -> Sequence[Sources]:
    """The SQL of every database of a stack."""
    return [
        Sources(
            name=f"{cluster.name}/{database.name}",
            database=database.name,
            folder=_relative(database.migrations),
            placeholders=database.roles,
            schema=options.schema,
            postgresql=cluster.version,
            seeds=_relative(database.seeds) if database.seeds else None,
            production=loaded.production,
        )
        for cluster in loaded.clusters
        for database in cluster.databases
    ]


def settings_of(engine: Engine, options: Namespace) -> "Settings":
    """What the stack's files ask for. Raises OperationError."""
    # Pulumi says what is wrong with the stack before the files are read.
    config = engine.configuration()
    from trellis import settings

    try:
        return settings.load(config, _root(), stack=options.stack)
    except settings.SettingsError as error:
        raise OperationError(str(error)) from None


def _root() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "Pulumi.yaml").is_file()), here)


def _relative(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _reached(sources: Sources, outputs: Outputs, kind: str, folder: Path) -> Database | None:
    from psycopg.conninfo import conninfo_to_dict

    from trellis.migrator import Target

    review = _uri(outputs, "review_uris", sources.name)
    # A stack of before has no reviewers until its next `up`.
    uri = _uri(outputs, kind, sources.name) or _uri(outputs, "direct_uris", sources.name)
    if uri is None:
        return None
    cluster = sources.name.partition("/")[0]
    authority = folder / f"{cluster}.crt"
    # The folder is closed to others, and so is the file.
    authority.touch(mode=0o600)
    authority.write_text(str(outputs["ca_certificates"][cluster]))
    return Database(
        sources=sources,
        target=Target(conninfo_to_dict(uri, sslrootcert=str(authority)), schema=sources.schema).beside(sources.folder),
        reviewer=str(conninfo_to_dict(review)["user"]) if review else None,
    )


def _uri(outputs: Outputs, kind: str, name: str) -> str | None:
    cluster, _, database = name.partition("/")
    uris = outputs.get(kind, {}).get(cluster, {})
    return str(uris[database]) if isinstance(uris, Mapping) and database in uris else None
