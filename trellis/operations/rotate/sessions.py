"""Who is logged in as whom, on every node of a cluster, and whether a new login works."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from trellis.migrator import MigrationError, Target
from trellis.operations.errors import OperationError

# A login that nobody came in by for so long, and whose sessions did nothing, is not used.
QUIET_SECONDS = 5
# What a pool's or a replica's new login may take to get there.
ARRIVAL_SECONDS = 60

_USED = """
SELECT coalesce(host(client_addr), 'inside the cluster'), application_name, count(*)
FROM pg_catalog.pg_stat_activity
WHERE usename = %s AND backend_type = 'client backend' AND (state IS DISTINCT FROM 'idle'
    OR greatest(state_change, backend_start) > clock_timestamp() - make_interval(secs => %s))
GROUP BY 1, 2 ORDER BY 1, 2
"""
_END = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
WHERE usename = %s AND backend_type = 'client backend'
"""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The ways of a cluster's administrator to its servers: the primary's, and each replica's."""

    cluster: str
    self_hosted: bool = False
    targets: Sequence[Target] = field(repr=False)

    def users_of(self, login: str) -> Iterator[str]:
        """Who works by this login, each in words. Raises OperationError."""
        for target in self.targets:
            with _session(target) as connection:
                for address, application, count in connection.execute(_USED, (login, QUIET_SECONDS)).fetchall():
                    called = f", {application}" if application else ""
                    yield f"{count} on {self.cluster} from {address}{called}"

    def end_sessions_of(self, login: str) -> int:
        """Ends its sessions; how many. Raises OperationError where the administrator may not."""
        ended = 0
        for target in self.targets:
            with _session(target) as connection:
                try:
                    row = connection.execute(_END, (login,)).fetchone()
                except psycopg.Error as error:
                    raise OperationError(str(error).strip()) from None
                ended += row[0] if row else 0
        return ended


def arrive(target: Target, role: str) -> None:
    """Waits until a login works there, as this role. Raises OperationError."""
    until = time.monotonic() + ARRIVAL_SECONDS
    while True:
        try:
            with target.connect() as connection:
                row = connection.execute("SELECT current_user").fetchone()
            if row == (role,):
                return
            problem = f"{target.name} comes in as {row[0] if row else 'nobody'}, not as {role}"
        except (MigrationError, psycopg.Error) as error:
            problem = target.conceal(str(error).strip())
        if time.monotonic() > until:
            raise OperationError(
                f"The new login does not work: {problem}. The old one does, and was not reset. The same command goes "
                "on once that is mended."
            )
        time.sleep(1)


def _session(target: Target) -> psycopg.Connection[tuple[Any, ...]]:
    try:
        return target.connect()
    except MigrationError as error:
        raise OperationError(str(error)) from None
