"""What a backup says of itself. It is written last: a backup without one is no backup."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trellis.operations.errors import OperationError

MADE_BY = "trellis backup"
FILE = "manifest.json"
_FORMAT = 1
_NAME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True)
class Hypertables:
    """The hypertables of a database. version: of TimescaleDB. names: quoted. lacks: what is not kept of it, in words.

    file: of the script that makes and fills them, packed. bytes, sha256: of that file.
    """

    version: str
    names: tuple[str, ...]
    lacks: tuple[str, ...]
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Dump:
    """One database. file: of pg_dump's custom format, packed. bytes, sha256: of that file as it lies there.

    at, lsn: the moment that every row is of. migration: version of the newest migration. administrator: who dumped it.
    owners: of its objects. statements: what makes roles, memberships and the database's settings and grants.
    tables: name -> rows and a sum over the hash of each row. hypertables: those of TimescaleDB, if any.
    """

    name: str
    cluster: str
    database: str
    file: str
    bytes: int
    sha256: str
    at: str
    lsn: str
    server_version: str
    migration: str | None
    administrator: str
    owners: tuple[str, ...]
    statements: tuple[str, ...]
    tables: Mapping[str, tuple[int, str]]
    hypertables: Hypertables | None = None

    @property
    def files(self) -> Mapping[str, str]:
        """Its files, the dump first, and the SHA-256 of each."""
        return {one.file: one.sha256 for one in (self, self.hypertables) if one}

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(rows for rows, _ in self.tables.values())


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A backup of a stack. name: of its folder, its time. recipients: public keys that it is encrypted to, if any."""

    stack: str
    name: str
    trellis: str
    recipients: tuple[str, ...]
    dumps: tuple[Dump, ...]

    @property
    def at(self) -> datetime:
        """When it was begun."""
        return moment(self.name)

    def write(self, folder: Path) -> None:
        """Writes it into the backup's folder, mode 600."""
        text = json.dumps({"made_by": MADE_BY, "format": _FORMAT, **asdict(self)}, indent=1)
        with os.fdopen(os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())


def named(at: datetime) -> str:
    """What the folder of a backup that is begun now is called."""
    return at.astimezone(UTC).strftime(_NAME)


def moment(name: str) -> datetime:
    """The time in a name. Raises ValueError where it is not one of ours."""
    return datetime.strptime(name, _NAME).replace(tzinfo=UTC)


def parse(text: str | bytes, where: str) -> Manifest:
    """Reads a manifest. Raises OperationError where it is none of `trellis backup`'s."""
    try:
        found: dict[str, Any] = json.loads(text)
        if found["made_by"] != MADE_BY or found["format"] != _FORMAT:
            raise OperationError(f"{where} was not made by this version of `trellis backup`.")
        dumps = tuple(
            Dump(
                **{
                    **one,
                    "owners": tuple(one["owners"]),
                    "statements": tuple(one["statements"]),
                    "tables": {name: (rows, total) for name, (rows, total) in one["tables"].items()},
                    "hypertables": _hypertables(one.get("hypertables")),
                }
            )
            for one in found["dumps"]
        )
        return Manifest(
            stack=found["stack"],
            name=found["name"],
            trellis=found["trellis"],
            recipients=tuple(found["recipients"]),
            dumps=dumps,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OperationError(f"{where} is no manifest of `trellis backup`.") from None


def _hypertables(found: Mapping[str, Any] | None) -> Hypertables | None:
    if found is None:
        return None
    return Hypertables(**{**found, "names": tuple(found["names"]), "lacks": tuple(found["lacks"])})
