"""A dump put back into an empty database, whole or not at all."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import psycopg

from trellis.migrator.history import identifier
from trellis.operations.backup import packing
from trellis.operations.backup.manifest import Dump
from trellis.operations.backup.programs import close, started
from trellis.operations.errors import OperationError
from trellis.operations.move import fences
from trellis.operations.move.comparing import sums
from trellis.operations.move.sides import SCHEMA, Connection, Side

# Its owner is whoever made the extension, at a managed cluster not the administrator.
_LEFT_OUT = (" COMMENT - EXTENSION ", SCHEMA)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What became of it. lacks: statements that the server did not take. differs: tables that are not as dumped."""

    lacks: tuple[str, ...]
    differs: tuple[str, ...]


def restore(dump: Dump, file: Path, side: Side, identities: Sequence[Any], tell: Callable[[str], None]) -> Restored:
    """Restores a dump in one transaction, then counts and sums every table as the dump did.

    Roles come without passwords. Raises OperationError where the database is not empty, the file is not the one that
    was made, the key is wrong, or an object cannot be made; nothing of the dump is there then.
    """
    with side.connect() as connection:
        if fences.tables(connection):
            raise OperationError(f"{side.name} holds tables already. A dump is restored into an empty database.")
        tell(f"{side.name}: checking {file.name}")
        if packing.sha256(file) != dump.sha256:
            raise OperationError(f"{file.name} is not the file that was made: its SHA-256 is another. Take another.")
        lacks = tuple(_attempted(connection, _statements(dump, connection)))
        with TemporaryDirectory(prefix="trellis-") as folder:
            wanted = Path(folder, "contents")
            wanted.write_text("\n".join(_contents(file, connection, identities)))
            tell(f"{side.name}: restoring {dump.rows:,} rows")
            own = ["--no-owner"] if set(dump.owners) <= {dump.administrator} else []
            with started(
                "pg_restore", connection, "--single-transaction", f"--use-list={wanted}", *own, reads=True
            ) as program:
                failed = _fed(file, program.stdin, identities)
                if said := program.end():
                    raise OperationError(f"{dump.name} cannot be restored into {side.name}: {said}")
                if failed:
                    raise OperationError(f"{dump.name} cannot be restored into {side.name}: {failed}")
        connection.execute("ANALYZE")
        tell(f"{side.name}: counting and summing")
        there = sums(connection)
        names = sorted(dump.tables.keys() | there.keys())
        differs = tuple(name for name in names if dump.tables.get(name) != there.get(name))
    return Restored(lacks=lacks, differs=differs)


def _statements(dump: Dump, connection: Connection) -> Iterator[str]:
    """What makes the roles, the one that dumped among them, for its default privileges."""
    here = connection.info.user
    if dump.administrator != here:
        yield f"CREATE ROLE {identifier(dump.administrator)} NOLOGIN"
        yield f"GRANT {identifier(dump.administrator)} TO {identifier(here)}"
    name, other = identifier(dump.database), identifier(connection.info.dbname)
    for statement in dump.statements:
        yield statement.replace(f"DATABASE {name}", f"DATABASE {other}", 1)


def _attempted(connection: Connection, statements: Iterator[str]) -> Iterator[str]:
    for statement in statements:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.DuplicateObject:
            continue
        except psycopg.Error as error:
            yield f"{statement}: {error.diag.message_primary or error}"


def _contents(file: Path, connection: Connection, identities: Sequence[Any]) -> list[str]:
    """The lines of pg_restore's list that are restored."""
    with started("pg_restore", connection, "--list", reads=True, writes=True) as program:
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(program.stdout.read()))
        reader.start()
        # It has seen enough after the first pages.
        failed = _fed(file, program.stdin, identities)
        reader.join()
        if said := program.end():
            raise OperationError(f"{file.name} is no dump: {failed or said}")
    return [line for line in found[0].decode().splitlines() if not any(word in line for word in _LEFT_OUT)]


def _fed(file: Path, out: IO[bytes], identities: Sequence[Any]) -> str:
    """Unpacks into a program; what went wrong, where it did not just end."""
    try:
        packing.unpack(file, out, identities)
    except BrokenPipeError:
        return ""
    except OSError as error:
        return str(error)
    finally:
        close(out)
    return ""
