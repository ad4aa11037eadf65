"""What the servers themselves cannot accept, said before anything changes. The cloud's own rules are the API's."""

import re
from collections.abc import Sequence

from localcloud.servers.access import CONSOLE
from localcloud.servers.errors import InvalidRequest
from localcloud.servers.logins import check_name
from localcloud.servers.postgresql import RESERVED_CONNECTIONS
from localcloud.servers.specs import PoolSpec

POOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def check_connections(max_connections: int) -> None:
    """Raise InvalidRequest when nothing would be left for clients."""
    if max_connections <= RESERVED_CONNECTIONS:
        raise InvalidRequest(
            f"max_connections {max_connections}: {RESERVED_CONNECTIONS} are reserved, so it must be at least"
            f" {RESERVED_CONNECTIONS + 1}. Nothing was changed."
        )


def check_pools(pools: Sequence[PoolSpec]) -> None:
    """Raise InvalidRequest for a name, user or size PgBouncer cannot serve."""
    names = [pool.name for pool in pools]
    for pool in pools:
        if not POOL_NAME.fullmatch(pool.name) or pool.name == CONSOLE or names.count(pool.name) > 1:
            raise InvalidRequest(
                f"Pool name {pool.name!r}: 1 to 63 letters, digits, '_', '.' and '-', each name once, and not"
                f" {CONSOLE!r}. Nothing was changed."
            )
        if pool.size < 1:
            raise InvalidRequest(f"Pool {pool.name!r}: size {pool.size}, at least 1 is needed. Nothing was changed.")
        check_name("Database", pool.database)
        if pool.user is not None:
            check_name("User", pool.user)
