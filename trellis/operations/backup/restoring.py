"""A dump put back into an empty database, whole or not at all."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import psycopg

from trellis.migrator.history import identifier
from trellis.operations.backup import hypertables, packing
from trellis.operations.backup.manifest import Dump, Hypertables
from trellis.operations.backup.programs import close, started
from trellis.operations.errors import OperationError
from trellis.operations.move import fences
from trellis.operations.move.comparing import sums
from trellis.operations.move.sides import SCHEMA, Connection, Side
from trellis.operations.rescue.tables import INSERT_BLOCKER

# Its owner is whoever made the extension, at a managed cluster not the administrator.
_LEFT_OUT = (" COMMENT - EXTENSION ", SCHEMA, f" {INSERT_BLOCKER} ")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What became of it. lacks: statements that the server did not take, and what the dump does not hold.

    differs: tables that are not as dumped.
    """

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
        hypertables.check(dump, side.name, connection)
        for one, digest in dump.files.items():
            tell(f"{side.name}: checking {Path(one).name}")
            if packing.sha256(file.with_name(Path(one).name)) != digest:
                raise OperationError(
                    f"{Path(one).name} is not the file that was made: its SHA-256 is another. Take another."
                )
        lacks = tuple(_attempted(connection, _statements(dump, connection)))
        if dump.hypertables:
            lacks += tuple(f"{lack} is not in this backup" for lack in dump.hypertables.lacks)
        with TemporaryDirectory(prefix="trellis-") as folder:
            wanted = Path(folder, "contents")
            contents = _Archive(file, connection, identities).read("--list")
            wanted.write_text(
                "\n".join(line for line in contents.splitlines() if not any(word in line for word in _LEFT_OUT))
            )
            tell(f"{side.name}: restoring {dump.rows:,} rows")
            own = ["--no-owner"] if set(dump.owners) <= {dump.administrator} else []
            archive = _Archive(file, connection, identities, (f"--use-list={wanted}", *own))
            failed = archive.scripted(dump.hypertables) if dump.hypertables else archive.run("--single-transaction")
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


@dataclass(frozen=True)
class _Archive:
    """pg_restore at work on a packed archive. options: what it is told each time."""

    file: Path
    connection: Connection
    identities: Sequence[Any]
    options: Sequence[str] = ()

    def run(self, *options: str, out: IO[bytes] | None = None) -> str:
        """Restores, or writes a script into another program; gives what went wrong, empty where nothing did."""
        with started(
            "pg_restore", self.connection, *self.options, *options, reads=True, writes=out or False
        ) as program:
            failed = _fed(self.file, program.stdin, self.identities)
            return program.end() or failed

    def read(self, *options: str) -> str:
        """What it writes of the archive's head, which has everything but rows."""
        with started("pg_restore", self.connection, *self.options, *options, reads=True, writes=True) as program:
            found: list[bytes] = []
            reader = threading.Thread(target=lambda: found.append(program.stdout.read()))
            reader.start()
            # It has seen enough after the first pages.
            failed = _fed(self.file, program.stdin, self.identities)
            reader.join()
            if said := program.end():
                raise OperationError(f"{self.file.name} is no dump: {failed or said}")
        return found[0].decode()

    def scripted(self, those: Hypertables) -> str:
        """Restores in one transaction of psql, with the script that makes hypertables of tables and fills them.

        Before indexes, references and triggers, as rows of all tables come. Gives what went wrong.
        """
        with started("psql", self.connection, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", reads=True) as psql:
            failed = ""
            # Whatever ends before the COMMIT leaves nothing.
            with suppress(BrokenPipeError):
                _write(psql.stdin, "BEGIN;")
                failed = self.run("--file=-", "--section=pre-data", out=psql.stdin) or self.run(
                    "--file=-", "--section=data", out=psql.stdin
                )
                if not failed:
                    packing.unpack(self.file.with_name(Path(those.file).name), psql.stdin, self.identities)
                    _write(psql.stdin, hypertables.whole(self.read("--file=-", "--section=post-data"), those.names))
                    _write(psql.stdin, "COMMIT;")
            close(psql.stdin)
            return psql.end() or failed


def _write(out: IO[bytes], text: str) -> None:
    out.write(f"{text}\n".encode())
    out.flush()


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
