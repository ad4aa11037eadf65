"""A cluster for the time of one run, that admits nobody but this run, and goes with it.

A restored cluster starts open to the internet. So it is ordered with its one trusted source, and told it again until
the cloud says that it holds; nothing is written or read there before.
"""

import base64
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from trellis.migrator import MigrationError, Target
from trellis.migrator.history import identifier, literal
from trellis.operations.api import Api
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import Side
from trellis.operations.ownership import at
from trellis.operations.status.cloud import backups
from trellis.server.scram import verifier
from trellis.settings.catalogue import FIRST_DATABASE

TAG = "trellis-drill"
# Of a session that holds a temporary cluster of its source: no two at a time, and none is swept meanwhile.
_LOCK = 0x7472656C6472696C
_NAME = re.compile(r"-drill-[0-9a-f]{8}$")
_EVERY = 0.5
_WITHIN = 7200.0
_LONGEST_NAME = 40
# How long the cloud may take to tell the server of a new password.
_ADMITTED_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The cluster that a temporary one is made beside. id: the cloud's. storage_mib: of its disk. network: its VPC."""

    id: str
    name: str
    engine: str
    version: str
    size: str
    region: str
    network: str
    storage_mib: int | None

    @property
    def tags(self) -> tuple[str, ...]:
        """What tells a temporary cluster of this one from every other cluster."""
        return (TAG, f"{TAG}:{self.id}")


@dataclass(frozen=True, kw_only=True)
class Temporary:
    """A temporary cluster that is ordered."""

    api: Api
    id: str
    name: str
    folder: Path = field(repr=False)

    def wait(self) -> None:
        """Until it is online. Raises OperationError when two hours have passed."""
        _wait(lambda: at(self._read(), "status") == "online", f"{self.name} is not online")

    def close(self, address: str) -> None:
        """Until it admits this address alone."""
        rule = {"type": "ip_addr", "value": address}
        path = f"/v2/databases/{self.id}/firewall"
        until = time.monotonic() + _WITHIN
        while True:
            try:
                self.api.call("PUT", path, {"rules": [rule]})
                found = self.api.get(path) or {}
                if [(one["type"], one["value"]) for one in found.get("rules") or ()] == [("ip_addr", address)]:
                    return
            except OperationError:
                # A cluster that is still being made may not take it yet.
                if time.monotonic() > until:
                    raise
            time.sleep(_EVERY)

    def add_database(self, name: str) -> None:
        """Makes an empty one."""
        self.api.call("POST", f"/v2/databases/{self.id}/dbs", {"name": name})

    def password_of(self, login: str, *, private: bool) -> str:
        """A new password of a login that the restore has brought. Raises OperationError where it has not."""
        path = f"/v2/databases/{self.id}/users"
        if login in {one["name"] for one in self.api.every(path, "users")}:
            return str(at(self.api.call("POST", f"{path}/{login}/reset_auth", {}), "user.password"))
        # The cloud does not know those that came from a dump. The administrator made them, and so may change them.
        password = secrets.token_urlsafe(24)
        statement = f"ALTER ROLE {identifier(login)} LOGIN PASSWORD {literal(verifier(login, password))}"
        try:
            with self.side(FIRST_DATABASE, private=private).connect() as connection:
                connection.execute(statement.encode())
        except psycopg.Error as error:
            raise OperationError(str(error.diag.message_primary or error)) from None
        return password

    def side(self, database: str, *, private: bool) -> Side:
        """The way to one of its databases, as its administrator. private: by the VPC."""
        return Side(cluster=self.name, database=database, target=self.target(database, private=private), peer={})

    def target(self, database: str, *, private: bool, login: tuple[str, str] | None = None) -> Target:
        """The same as a login with its password; without one as the administrator."""
        connection = at(self._read(), "private_connection" if private else "connection")
        user, password = login or (connection["user"], connection["password"])
        authority = self.folder / "ca.crt"
        if not authority.exists():
            answer = self.api.get(f"/v2/databases/{self.id}/ca")
            authority.write_bytes(base64.b64decode(at(answer, "ca.certificate")))
        parameters = {
            "host": connection["host"],
            "port": connection["port"],
            "dbname": database,
            "user": user,
            "password": password,
            "sslmode": "verify-full",
            "sslrootcert": str(authority),
        }
        return Target(parameters)

    def as_login(self, database: str, login: str, *, private: bool) -> Target:
        """The same as a login, with a new password. Raises OperationError where the restore has not brought it."""
        target = self.target(database, private=private, login=(login, self.password_of(login, private=private)))
        until = time.monotonic() + _ADMITTED_WITHIN
        while time.monotonic() < until:
            with suppress(MigrationError):
                target.connect().close()
                break
            time.sleep(_EVERY)
        return target

    def _read(self) -> Any:
        return at(self.api.get(f"/v2/databases/{self.id}"), "database")


def await_backup(api: Api, origin: Origin, tell: Callable[[str], None]) -> None:
    """Until the cloud has a backup of the origin. Raises OperationError when two hours have passed."""

    def is_there() -> bool:
        return bool(backups(api, origin.id))

    if not is_there():
        tell(f"{origin.name}: has no backup yet; a new cluster's first one takes minutes")
        _wait(is_there, f"{origin.name} has no backup")


def _wait(holds: Callable[[], bool], late: str) -> None:
    until = time.monotonic() + _WITHIN
    while not holds():
        if time.monotonic() > until:
            raise OperationError(f"{late} after {_WITHIN / 3600:.0f} hours.")
        time.sleep(_EVERY)


@contextmanager
def ordered(
    api: Api, origin: Origin, address: str, restore: Mapping[str, str] | None, tell: Callable[[str], None]
) -> Iterator[Temporary]:
    """Orders a cluster like the origin and closes it to all but an address; deletes it in the end, whatever happens.

    restore: what DigitalOcean calls `backup_restore`; None for an empty one. Raises OperationError.
    """
    name = f"{origin.name[:_LONGEST_NAME].rstrip('-')}-drill-{secrets.token_hex(4)}"
    body: dict[str, Any] = {
        "name": name,
        "engine": origin.engine,
        "version": origin.version,
        "size": origin.size,
        "region": origin.region,
        "num_nodes": 1,
        "private_network_uuid": origin.network,
        "tags": list(origin.tags),
        "rules": [{"type": "ip_addr", "value": address}],
    }
    if origin.storage_mib:
        body["storage_size_mib"] = origin.storage_mib
    if restore:
        body["backup_restore"] = dict(restore)
    with TemporaryDirectory(prefix="trellis-") as folder:
        try:
            tell(f"{name}: ordered")
            made = api.call("POST", "/v2/databases", body)
            cluster = Temporary(api=api, id=str(at(made, "database.id")), name=name, folder=Path(folder))
            cluster.close(address)
            tell(f"{name}: admits {address} alone")
            yield cluster
        finally:
            # By its name: an answer that was lost has told no id.
            for left in _left(api, origin):
                if left["name"] == name:
                    api.delete(f"/v2/databases/{left['id']}")
                    tell(f"{name}: deleted")


def sweep(api: Api, origin: Origin, tell: Callable[[str], None]) -> list[str]:
    """Deletes what killed runs left of this origin; gives the names. Only for who holds the lock."""
    names = []
    for left in _left(api, origin):
        api.delete(f"/v2/databases/{left['id']}")
        names.append(str(left["name"]))
        tell(f"{left['name']}: was left by a run that was killed, and is deleted")
    return names


def _left(api: Api, origin: Origin) -> list[dict[str, Any]]:
    """Temporary clusters of this origin: each has the name, both tags and the network that only such a one is given."""
    return [
        one
        for one in api.every(f"/v2/databases?tag_name={TAG}", "databases")
        if one["id"] != origin.id
        and _NAME.search(str(one["name"]))
        and set(origin.tags) <= set(one.get("tags") or ())
        and one.get("private_network_uuid") == origin.network
    ]


@contextmanager
def held(side: Side) -> Iterator[str]:
    """Keeps other runs away from an origin's temporary clusters; gives the address that its server sees this run at.

    Raises OperationError where another run is at it.
    """
    with side.connect() as connection:
        ((free, address),) = connection.execute(
            "SELECT pg_catalog.pg_try_advisory_lock(%s), pg_catalog.host(pg_catalog.inet_client_addr())", (_LOCK,)
        ).fetchall()
        if not free:
            raise OperationError(f"Another run has a temporary cluster of {side.cluster}. Wait until it has ended.")
        yield str(address)
