"""The stream of changes from one side to the other: PostgreSQL's own logical replication.

A stream sends what was written on its side alone and not what the other stream brought, so both run at the same time
and whichever side is written to, the other follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from trellis.migrator.history import identifier, literal
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import PUBLICATION, SCHEMA, Connection, Pair, Side

# `origin`, without which changes would go round in circles.
FIRST_WITH_ORIGIN = 16


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stream is. bytes_behind: of write-ahead log; None where the slot is gone."""

    tables: int
    copied: int
    rows: int
    bytes_behind: int | None
    failures: int

    @property
    def is_copying(self) -> bool:
        """Whether the first copy goes on."""
        return self.copied < self.tables


def publish(connection: Connection, tables: Sequence[str]) -> None:
    """Offers these tables, partitioned ones as a whole, and the marks. tables: as PostgreSQL's grammar names them."""
    if connection.execute("SELECT FROM pg_catalog.pg_publication WHERE pubname = %s", (PUBLICATION,)).fetchall():
        return
    listed = ", ".join([*tables, f"{SCHEMA}.marks"])
    connection.execute(
        f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {listed} WITH (publish_via_partition_root = true)".encode()
    )


def subscribe(pair: Pair, source: Side, target: Side, *, copy: bool) -> None:
    """Makes the target follow the source. copy: whether it starts with the rows that are there, once it may: it rests.

    Raises OperationError with what the servers said.
    """
    with target.connect() as there:
        if _subscription(there, pair.link):
            return
        with source.connect() as here:
            _drop_slot(here, pair.link)
        conninfo = make_conninfo("", **dict(source.peer))
        options = f"copy_data = {str(copy).lower()}, enabled = {str(not copy).lower()}"
        if there.info.server_version // 10000 >= FIRST_WITH_ORIGIN:
            options += ", origin = none"
        try:
            # A server that logs statements would keep the password; whoever may not say so has none that does.
            _try(there, "SET log_statement = 'none'", "SET log_min_error_statement = 'panic'")
            there.execute(
                f"CREATE SUBSCRIPTION {identifier(pair.link)} CONNECTION {literal(conninfo)}"
                f" PUBLICATION {PUBLICATION} WITH ({options})".encode()
            )
        except psycopg.Error as error:
            said = str(error.diag.message_primary or error).replace(str(source.peer.get("password")), "********")
            raise OperationError(f"{target.name} cannot follow {source.name}: {said}") from None


def rest(pair: Pair, target: Side, *, resting: bool) -> None:
    """Lets a stream rest, or go on: one that rests takes none of the few workers of its server, and loses nothing."""
    with target.connect() as there:
        if _subscription(there, pair.link):
            does = "DISABLE" if resting else "ENABLE"
            there.execute(f"ALTER SUBSCRIPTION {identifier(pair.link)} {does}".encode())


def unsubscribe(pair: Pair, source: Side, target: Side) -> None:
    """Ends the stream and takes its slot away, also where the other server does not answer any more."""
    name = identifier(pair.link)
    with target.connect() as there:
        if _subscription(there, pair.link):
            there.execute(f"ALTER SUBSCRIPTION {name} DISABLE".encode())
            there.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)".encode())
            there.execute(f"DROP SUBSCRIPTION {name}".encode())
    with source.connect() as here:
        _drop_slot(here, pair.link)


def unpublish(connection: Connection) -> None:
    """Takes the offer back."""
    connection.execute(f"DROP PUBLICATION IF EXISTS {PUBLICATION}")


def progress(pair: Pair, source: Side, target: Side) -> Progress | None:
    """How far the stream is; None where there is none."""
    with target.connect() as there:
        subscription = _subscription(there, pair.link)
        if subscription is None:
            return None
        tables, copied = there.execute(
            "SELECT count(*), count(*) FILTER (WHERE srsubstate = 'r') FROM pg_catalog.pg_subscription_rel"
            " WHERE srsubid = %s",
            (subscription,),
        ).fetchall()[0]
        ((failures,),) = there.execute(
            "SELECT coalesce(sum(apply_error_count + sync_error_count), 0)::int8"
            " FROM pg_catalog.pg_stat_subscription_stats WHERE subid = %s",
            (subscription,),
        ).fetchall()
        ((rows,),) = there.execute(
            "SELECT coalesce(sum(tuples_processed), 0)::int8 FROM pg_catalog.pg_stat_progress_copy"
            " WHERE datname = current_database() AND type = 'CALLBACK'"
        ).fetchall()
    with source.connect() as here:
        behind = here.execute(
            "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), confirmed_flush_lsn)::int8"
            " FROM pg_catalog.pg_replication_slots WHERE slot_name = %s",
            (pair.link,),
        ).fetchall()
    return Progress(
        tables=tables, copied=copied, rows=rows, failures=failures, bytes_behind=behind[0][0] if behind else None
    )


def follows(pair: Pair, side: Connection) -> bool:
    """Whether this side of a pair follows the other."""
    return _subscription(side, pair.link) is not None


def _subscription(connection: Connection, name: str) -> int | None:
    found = connection.execute(
        "SELECT s.oid FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid"
        " WHERE s.subname = %s AND d.datname = pg_catalog.current_database()",
        (name,),
    ).fetchall()
    return int(found[0][0]) if found else None


def _drop_slot(connection: Connection, name: str) -> None:
    """Nobody reads it: it was left by a run that ended between slot and subscription, or its reader is gone."""
    connection.execute(
        "SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots"
        " WHERE slot_name = %s AND active_pid IS NOT NULL",
        (name,),
    )
    for _ in range(50):
        try:
            connection.execute(
                "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots"
                " WHERE slot_name = %s",
                (name,),
            )
        except psycopg.errors.ObjectInUse:
            connection.execute("SELECT pg_catalog.pg_sleep(0.1)")
        else:
            return
    raise OperationError(f"The replication slot {name} is still read by somebody. Run the same command again.")


def _try(connection: Connection, *statements: str) -> None:
    for statement in statements:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            continue
