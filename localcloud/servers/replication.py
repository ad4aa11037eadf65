"""Copying a primary, and the slots by which it keeps the WAL its replicas still need."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import psycopg

from localcloud.servers.access import REPLICATION_USER
from localcloud.servers.account import Account
from localcloud.servers.errors import ServerError, StartFailed
from localcloud.servers.postgresql import PostgresServer, Upstream
from localcloud.servers.processes import run

PASSFILE = "primary.pgpass"


def slot_name(replica: str) -> str:
    """Replication slots allow fewer characters than replicas' names."""
    return f"replica_{hashlib.sha256(replica.encode()).hexdigest()[:16]}"


def upstream(primary: PostgresServer, folder: Path, replica: str) -> Upstream:
    """How the replica in `folder` reaches its primary."""
    return Upstream(
        sockets=primary.sockets,
        port=primary.port,
        user=REPLICATION_USER,
        passfile=folder / PASSFILE,
        slot=slot_name(replica),
    )


def copy_primary(primary: PostgresServer, server: PostgresServer, replica: str, program: Path, password: str) -> None:
    """Fill a replica's data directory from the running primary, over a slot of its own. Raises StartFailed."""
    account = server.account
    source = upstream(primary, server.folder, replica)
    run_basebackup(
        primary,
        server.folder,
        program,
        password,
        f"--pgdata={server.data}",
        "--wal-method=stream",
        f"--slot={source.slot}",
        "--checkpoint=fast",
    )
    account.own_tree(server.data)


def run_basebackup(primary: PostgresServer, folder: Path, program: Path, password: str, *options: str) -> None:
    """Run pg_basebackup in `folder` against the running primary. Raises StartFailed with what it said.

    The password is left in `folder` for a standby to use.
    """
    passfile = folder / PASSFILE
    primary.account.write(passfile, f"*:*:*:{REPLICATION_USER}:{password}\n")
    command = [
        str(program),
        f"--host={primary.sockets}",
        f"--port={primary.port}",
        f"--username={REPLICATION_USER}",
        "--no-password",
        *options,
    ]
    # Run as the local cloud itself: the program may lie where the servers' account cannot go.
    result = run(command, folder, Account.resolve(None), {"PGPASSFILE": str(passfile)})
    if result.returncode != 0:
        raise StartFailed(f"{primary.label} could not be copied to {folder}.\n{result.stderr.strip()}")


def keep_slots(primary: PostgresServer, replicas: Sequence[str]) -> None:
    """Make the slots that are missing, and drop those of replicas that are no more: the primary keeps WAL for them."""
    kept = [slot_name(replica) for replica in replicas]
    try:
        with primary.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(active_pid, 30000) FROM pg_replication_slots"
                " WHERE slot_name LIKE 'replica\\_%%' AND slot_name <> ALL(%s) AND active_pid IS NOT NULL",
                [kept],
            )
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE slot_name LIKE 'replica\\_%%' AND slot_name <> ALL(%s)",
                [kept],
            )
            connection.execute(
                "SELECT pg_create_physical_replication_slot(name, true) FROM unnest(%s::text[]) AS name"
                " WHERE name NOT IN (SELECT slot_name FROM pg_replication_slots)",
                [kept],
            )
    except psycopg.Error as error:
        raise ServerError(f"{primary.label}: the slots of its replicas cannot be set: {error}") from error
