"""What stands in the way of a move, found before anything is made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trellis.operations.backup import hypertables
from trellis.operations.move import fences
from trellis.operations.move.sides import Connection, Side
from trellis.operations.move.streams import FIRST_WITH_ORIGIN

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings

# A stream of a subscriber before this needs a superuser.
_FIRST_FOR_OTHERS = 16


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found. blocks: whether the move cannot begin with it. do: how it is mended, or what to expect.

    by_stream: whether it stands in the way of a stream alone, and not of a copy.
    """

    where: str
    what: str
    do: str
    blocks: bool
    by_stream: bool = False

    def stops(self, *, copy: bool) -> bool:
        """Whether the move cannot begin. copy: by a copy behind a fence, in place of a stream."""
        return self.blocks and not (copy and self.by_stream)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.do}"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A database that is to move. size: bytes on disk. way_back: whether what is written after the cut can be kept."""

    name: str
    version: str
    tables: int
    size: int
    connections: int
    findings: tuple[Finding, ...]
    way_back: bool


def source(side: Side) -> Survey:
    """Looks at a database that is to move. Raises OperationError where it cannot be reached."""
    with side.connect() as connection:
        names = fences.tables(connection)
        ((size, connections),) = connection.execute(
            "SELECT pg_catalog.pg_database_size(pg_catalog.current_database()), (SELECT count(*) FROM"
            " pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
            " AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend')"
        ).fetchall()
        return Survey(
            name=side.name,
            version=connection.info.parameter_status("server_version") or "",
            tables=len(names),
            size=size,
            connections=connections,
            findings=(*rows(side.name, connection), *_server(side, connection)),
            way_back=way_back(connection),
        )


def way_back(old: Connection) -> bool:
    """Whether this server can follow another one while that follows it."""
    return old.info.server_version // 10000 >= FIRST_WITH_ORIGIN and not list(follower("", old))


def target(side: Side, old: Side) -> tuple[Finding, ...]:
    """Looks at the database that it moves to."""
    with side.connect() as connection, old.connect() as here:
        return (*follower(side.name, connection), *_extensions(side.name, here, connection))


def expected(wanted: "ClusterSettings") -> tuple[Finding, ...]:
    """What is known of a cluster before it is made."""
    if wanted.self_hosted is None:
        return ()
    return (
        Finding(
            where=wanted.name,
            what="a self-hosted server's administrator may not follow another server",
            do="No setting changes that.",
            blocks=True,
            by_stream=True,
        ),
    )


# What no stream carries, or only under a condition: a query for names, what is wrong with them, what to do, whether it
# stops a stream, whether it stops a copy.
_OBSTACLES = (
    (
        f"SELECT t.nspname || '.' || t.relname FROM ({fences.TABLES}) t JOIN pg_catalog.pg_class c USING (oid)"  # noqa: S608
        " WHERE c.relkind = 'r' AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i"
        " WHERE i.indrelid = t.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident"
        " ELSE false END)",
        "no primary key, so an UPDATE or DELETE cannot be sent",
        "Give it one, or: ALTER TABLE {name} REPLICA IDENTITY FULL",
        True,
        False,
    ),
    (
        "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname !~ '^pg_'",
        "an unlogged table, whose rows are not sent",
        "Its rows stay behind: ALTER TABLE {name} SET LOGGED, where they matter",
        False,
        False,
    ),
    (
        "SELECT 'large objects' WHERE EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)",
        "are not sent",
        "Move what is in them into a column of type bytea first, and remove them with lo_unlink",
        True,
        True,
    ),
    (
        f"SELECT t.nspname || '.' || t.relname FROM ({fences.TABLES}) t JOIN pg_catalog.pg_class c USING (oid)"  # noqa: S608
        " WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')",
        "belongs to another role, and only its owner can put the fence on it",
        "ALTER TABLE {name} OWNER TO the administrator, or grant its owner to the administrator",
        True,
        True,
    ),
    (
        f"SELECT t.nspname || '.' || t.relname FROM ({fences.TABLES}) t JOIN pg_catalog.pg_class c USING (oid)"  # noqa: S608
        " WHERE c.relrowsecurity AND c.relforcerowsecurity",
        "FORCE ROW LEVEL SECURITY holds the move too",
        "For the time of the move: ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY",
        True,
        True,
    ),
    (
        "SELECT c.oid::pg_catalog.regclass || ', ' || g.tgname FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c"
        " ON c.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgenabled IN ('A', 'R')",
        "a trigger that also fires for what the stream brings",
        "Its work would be done twice: ALTER TABLE … ENABLE TRIGGER, which fires for the application alone",
        True,
        False,
    ),
    (
        "SELECT 'prepared transaction ' || gid FROM pg_catalog.pg_prepared_xacts"
        " WHERE database = pg_catalog.current_database()",
        "holds its locks for ever",
        "Commit it or roll it back",
        True,
        True,
    ),
    (
        "SELECT 'a transaction of ' || usename || ', process ' || pid FROM pg_catalog.pg_stat_activity"
        " WHERE datname = pg_catalog.current_database() AND xact_start < now() - interval '5 minutes'"
        " AND backend_type = 'client backend'",
        "has been open for more than five minutes",
        "The copy begins, and the cut is made, when it has ended",
        False,
        False,
    ),
)


def rows(name: str, connection: Connection) -> Iterator[Finding]:
    """What of a database no stream carries."""
    for query, what, do, stream, copy in _OBSTACLES:
        for (found,) in connection.execute(query.encode()).fetchall():
            yield Finding(
                where=f"{name}, {found}",
                what=what,
                do=f"{do.format(name=found)}.",
                blocks=stream,
                by_stream=stream and not copy,
            )
    for hypertable in hypertables.named(connection):
        yield Finding(
            where=f"{name}, {hypertable}",
            what="a hypertable of TimescaleDB, which is neither streamed nor copied as a table",
            do="Stop its writers, then `trellis backup` and `trellis restore` into the other cluster.",
            blocks=True,
        )


def _server(side: Side, connection: Connection) -> Iterator[Finding]:
    name = side.name
    ((announced, makes),) = connection.execute(
        "SELECT pg_catalog.pg_backend_pid(), pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
    ).fetchall()
    if announced != connection.info.backend_pid:
        yield Finding(
            where=name,
            what="a connection pooler answers, and not the server",
            do="Name the server's own address; a provider calls it the direct or unpooled one.",
            blocks=True,
        )
        return
    if not makes:
        yield Finding(
            where=name,
            what="the administrator may not make a schema and a publication",
            do="GRANT CREATE ON DATABASE to it.",
            blocks=True,
        )
    ((level, slots, senders),) = connection.execute(
        "SELECT current_setting('wal_level'), current_setting('max_replication_slots')::int - (SELECT count(*) FROM"
        " pg_catalog.pg_replication_slots), current_setting('max_wal_senders')::int - (SELECT count(*) FROM"
        " pg_catalog.pg_stat_replication)"
    ).fetchall()
    if level != "logical":
        yield Finding(
            where=name,
            what=f"wal_level is {level}",
            do="Set it to logical and restart the server; a managed cluster has it so, or its support sets it.",
            blocks=True,
            by_stream=True,
        )
    if min(slots, senders) < 2:
        yield Finding(
            where=name,
            what=f"{slots} replication slots and {senders} senders are free, and a copy takes two at least",
            do="Raise max_replication_slots and max_wal_senders, or drop slots that nobody reads.",
            blocks=True,
            by_stream=True,
        )
    if refused := side.refuses_replication():
        yield Finding(
            where=name,
            what=f"the administrator may not replicate ({refused})",
            do="ALTER ROLE … REPLICATION; at DigitalOcean the user's setting pg_allow_replication.",
            blocks=True,
            by_stream=True,
        )


def follower(name: str, connection: Connection) -> Iterator[Finding]:
    """What keeps a server from following another one."""
    version = connection.info.server_version // 10000
    if version < _FIRST_FOR_OTHERS:
        ((may,),) = connection.execute("SELECT current_setting('is_superuser') = 'on'").fetchall()
        what = f"PostgreSQL {version} lets only a superuser follow another server"
    else:
        ((may,),) = connection.execute("SELECT pg_catalog.pg_has_role('pg_create_subscription', 'USAGE')").fetchall()
        what = "the administrator may not follow another server"
    if not may:
        yield Finding(where=name, what=what, do="GRANT pg_create_subscription to it.", blocks=True, by_stream=True)


def _extensions(name: str, old: Connection, new: Connection) -> Iterator[Finding]:
    used = old.execute("SELECT extname, extversion FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'").fetchall()
    there: dict[str, str] = dict(
        new.execute("SELECT name, default_version FROM pg_catalog.pg_available_extensions").fetchall()
    )
    for extension, version in used:
        if extension not in there:
            yield Finding(
                where=name,
                what=f"the extension {extension} is not on offer there",
                do="Do without it before the move, or choose another version.",
                blocks=True,
            )
        elif there[extension] != version:
            yield Finding(
                where=name,
                what=f"{extension} is {version} on the old cluster and {there[extension]} on the new one",
                do="Read its release notes.",
                blocks=False,
            )
