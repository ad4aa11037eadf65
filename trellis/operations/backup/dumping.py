"""One database written to a file: rows, schema and grants by pg_dump, roles by their statements, facts beside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg

from trellis.migrator.history import HistoryTable, identifier, literal
from trellis.operations.backup import hypertables, packing
from trellis.operations.backup.manifest import Dump
from trellis.operations.backup.programs import started
from trellis.operations.check.shadow.programs import WITHOUT_CHUNKS
from trellis.operations.errors import OperationError
from trellis.operations.move.comparing import sums
from trellis.operations.move.copying import settings
from trellis.operations.move.sides import Connection, Side

# How often progress is told, in seconds.
_EVERY = 2.0
_MIB = 1 << 20


def dump(
    side: Side, history: HistoryTable, folder: Path, recipients: Sequence[str], tell: Callable[[str], None]
) -> Dump:
    """Dumps a database into a folder as of one moment, and counts and sums its rows as of the same.

    history: its history table. Raises OperationError with what the server or pg_dump said.
    """
    file = f"{side.cluster}/{side.database}{packing.SUFFIX}{packing.ENCRYPTED if recipients else ''}"
    path = folder / file
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        with side.connect() as held, held.transaction():
            held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            ((snapshot, at, lsn, size, administrator),) = held.execute(
                "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.clock_timestamp(), CASE WHEN"
                " pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE"
                " pg_catalog.pg_current_wal_lsn() END::text, pg_catalog.pg_database_size("
                "pg_catalog.current_database()), current_user"
            ).fetchall()
            hyper = hypertables.find(held)
            for lack in hyper.lacks if hyper else ():
                tell(f"warning: {side.name}: {lack} is not in this backup")
            options = ("-Fc", "-Z0", f"--snapshot={snapshot}", "--no-subscriptions", "--lock-wait-timeout=60s")
            left_out = (WITHOUT_CHUNKS, *(hyper.left_out if hyper else ()))
            progress = _progress(f"{side.name}: {size / _MIB:.0f} MiB on disk", tell)
            with started("pg_dump", held, *options, *left_out, writes=True) as program:
                written, digest = packing.pack(program.stdout, path, recipients, progress)
                if said := program.end():
                    raise OperationError(f"{side.name} cannot be dumped: {said}")
            script = hypertables.dump(held, hyper, path, recipients, progress) if hyper else None
            return Dump(
                name=side.name,
                cluster=side.cluster,
                database=side.database,
                file=file,
                bytes=written,
                sha256=digest,
                at=at.isoformat(),
                lsn=lsn,
                server_version=held.info.parameter_status("server_version") or "",
                migration=newest_migration(held, history),
                administrator=administrator,
                owners=_owners(held),
                statements=(*_roles(held), *settings(held)),
                tables=sums(held),
                hypertables=script,
            )
    except psycopg.Error as error:
        raise OperationError(f"{side.name} cannot be dumped: {error.diag.message_primary or error}") from None


def newest_migration(connection: Connection, history: HistoryTable) -> str | None:
    """The version of the newest migration that was applied; None without a history."""
    ((there,),) = connection.execute(f"SELECT {history.recorded}".encode()).fetchall()
    found = connection.execute(history.newest.encode()).fetchall() if there else []
    return str(found[0][0]) if found else None


def _progress(what: str, tell: Callable[[str], None]) -> Callable[[int], None]:
    told = time.monotonic()

    def progress(read: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _EVERY:
            told = time.monotonic()
            tell(f"{what}, {read / _MIB:.0f} MiB dumped")

    return progress


def _owners(connection: Connection) -> tuple[str, ...]:
    """Who owns the application's relations, functions and schemas."""
    found = connection.execute(
        "SELECT DISTINCT pg_catalog.pg_get_userbyid(owner) FROM (SELECT relowner, relnamespace, oid,"
        " 'pg_catalog.pg_class'::pg_catalog.regclass FROM pg_catalog.pg_class UNION ALL SELECT proowner, pronamespace,"
        " oid, 'pg_catalog.pg_proc'::pg_catalog.regclass FROM pg_catalog.pg_proc) o(owner, namespace, oid, class)"
        " JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace WHERE n.nspname !~ '^pg_'"
        " AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
        " WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e') ORDER BY 1"
    ).fetchall()
    return tuple(owner for (owner,) in found)


def _roles(connection: Connection) -> Iterator[str]:
    """What makes roles, their settings and memberships. Nobody but a superuser reads a password."""
    found = connection.execute(
        "SELECT rolname, rolcanlogin, rolinherit, rolcreatedb, rolcreaterole, rolconnlimit FROM pg_catalog.pg_roles"
        " WHERE rolname !~ '^(pg_|_)' AND NOT rolsuper AND rolname <> current_user ORDER BY 1"
    ).fetchall()
    for name, login, inherit, createdb, createrole, limit in found:
        words = (
            "LOGIN" if login else "NOLOGIN",
            "" if inherit else "NOINHERIT",
            "CREATEDB" if createdb else "",
            "CREATEROLE" if createrole else "",
            f"CONNECTION LIMIT {limit}" if limit >= 0 else "",
        )
        yield f"CREATE ROLE {identifier(name)} {' '.join(filter(None, words))}"
    members = connection.execute(
        "SELECT g.rolname, m.rolname FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles g ON g.oid = a.roleid"
        " JOIN pg_catalog.pg_roles m ON m.oid = a.member WHERE NOT g.rolsuper AND NOT m.rolsuper"
        " AND m.rolname !~ '^(pg_|_)' AND g.rolname !~ '^_' AND m.rolname <> current_user ORDER BY 1, 2"
    ).fetchall()
    for group, member in members:
        yield f"GRANT {identifier(group)} TO {identifier(member)}"
    changed = connection.execute(
        "SELECT rolname, pg_catalog.unnest(setconfig) FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r"
        " ON r.oid = s.setrole WHERE s.setdatabase = 0 AND rolname !~ '^(pg_|_)' AND NOT rolsuper"
        " AND rolname <> current_user ORDER BY 1, 2"
    ).fetchall()
    for name, setting in changed:
        key, _, value = setting.partition("=")
        yield f"ALTER ROLE {identifier(name)} SET {identifier(key)} TO {value if ',' in value else literal(value)}"
