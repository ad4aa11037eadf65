"""The ways that lead to a stack's databases, each tried as a client would, with verification."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from trellis.migrator import MigrationError, Target
from trellis.monitoring.limits import LIMITS
from trellis.operations.connection_advice import with_advice

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings

# Seconds to connect, and then to the first answer; the longest run of a query of ours. What takes longer is a finding
# by itself.
PATIENCE = 5
QUERY_SECONDS = 15

_BEHIND = """
SELECT pg_is_in_recovery() AS follows,
    coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float AS seconds,
    greatest(pg_wal_lsn_diff(%(primary)s::pg_lsn, pg_last_wal_replay_lsn()), 0)::bigint AS bytes
"""

Session = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Way:
    """kind: direct, pool, login or replica. name: of the database or pool that it leads to. target: where, and as whom.

    A login's is its direct way, where no pool is for it.
    """

    cluster: str
    kind: str
    name: str
    target: Target = field(repr=False)

    @property
    def where(self) -> str:
        """What a finding about it names."""
        return f"{self.cluster}, {self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a way. error: None for one that is open. behind_s, behind_bytes: of a replica."""

    way: Way
    milliseconds: float = 0
    error: MigrationError | None = None
    behind_s: float = 0
    behind_bytes: int = 0

    @property
    def lags(self) -> bool:
        """Whether it is a replica that is too far behind."""
        return self.behind_bytes > 0 and (self.behind_s > LIMITS.lag_s or self.behind_bytes > LIMITS.lag_bytes)

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        lag = {"behind_s": round(self.behind_s, 1), "behind_bytes": self.behind_bytes}
        return {
            "kind": self.way.kind,
            "name": self.way.name,
            "milliseconds": round(self.milliseconds, 1),
            "error": self.error.message if self.error else None,
            **(lag if self.way.kind == "replica" else {}),
        }


def ways(cluster: "ClusterSettings", outputs: Mapping[str, Any], folder: Path) -> Iterator[Way]:
    """Every way to a cluster that the stack's outputs name. folder: where its authority's certificate is put."""
    authority = folder / f"{cluster.name}.crt"
    authority.touch(mode=0o600)
    authority.write_text(str(outputs.get("ca_certificates", {}).get(cluster.name, "")))
    kinds = (("direct", "direct_uris"), ("pool", "pooled_uris"), ("replica", "replica_uris"))
    found = [
        (kind, name, uri)
        for kind, output in kinds
        for name, uri in (outputs.get(output, {}).get(cluster.name) or {}).items()
    ]
    # Replicas are tried above already.
    databases = {database.name for database in cluster.databases}
    for login, uris in (outputs.get("login_uris", {}).get(cluster.name) or {}).items():
        found += [("login", f"{login} in {name}", uri) for name, uri in uris.items() if name in databases]
    for kind, name, uri in found:
        target = Target(conninfo_to_dict(str(uri), sslrootcert=str(authority), connect_timeout=PATIENCE))
        yield Way(cluster=cluster.name, kind=kind, name=name, target=target)


@contextmanager
def session(target: Target) -> Iterator[Session]:
    """A session that only reads, and gives up soon. Raises MigrationError where there is no way."""
    try:
        with target.connect() as connection:
            with answering(connection):
                connection.execute(
                    "SET default_transaction_read_only = on; SET lock_timeout = '1s'; SET search_path = pg_catalog;"
                    f" SET application_name = 'trellis-status'; SET statement_timeout = '{QUERY_SECONDS}s'"
                )
            connection.row_factory = dict_row  # type: ignore[assignment]
            yield connection  # type: ignore[misc]
    except MigrationError as error:
        raise with_advice(error, target) from None


def attempt(way: Way, primary: str | None) -> Tried:
    """Tries a way. primary: the position of the primary's log before, by which a replica is measured."""
    started = time.monotonic()
    try:
        with way.target.connect() as connection:
            with answering(connection):
                connection.execute("SELECT 1")
            took = 1000 * (time.monotonic() - started)
            if way.kind != "replica" or primary is None:
                return Tried(way=way, milliseconds=took)
            row = connection.execute(_BEHIND, {"primary": primary}).fetchone()
            follows, seconds, size = row or (False, 0, 0)
            if not follows:
                raise MigrationError("it is no replica: it takes writes", state="")
            return Tried(way=way, milliseconds=took, behind_s=seconds if size else 0, behind_bytes=size)
    except MigrationError as error:
        return Tried(way=way, error=with_advice(error, way.target))
    except psycopg.Error as error:
        return Tried(way=way, error=MigrationError(way.target.conceal(str(error).strip()), state=""))


@contextmanager
def answering(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Hangs up where the first answer takes too long: a full pool lets clients in, and leaves them waiting for minutes.

    Raises MigrationError then.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(PATIENCE, hang_up)
    timer.start()
    try:
        yield
    except psycopg.OperationalError:
        if late.is_set():
            raise MigrationError(f"it let us in, and gave no answer within {PATIENCE} s", state="") from None
        raise
    finally:
        timer.cancel()
