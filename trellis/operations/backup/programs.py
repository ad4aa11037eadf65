"""PostgreSQL's client programs, run on a database without its password on a command line."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO

from trellis.operations.check.shadow.entries import environment, reached
from trellis.operations.check.shadow.programs import dump_program
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import Connection
from trellis.operations.processes import guard, sweep


class Program:
    """pg_dump or pg_restore at work. stdin, stdout: open where it was started so. What it complains of is kept."""

    def __init__(self, process: "subprocess.Popen[bytes]", complaints: IO[bytes]) -> None:
        self._process = process
        self._complaints = complaints
        self.stdin: IO[bytes] = process.stdin  # type: ignore[assignment]
        self.stdout: IO[bytes] = process.stdout  # type: ignore[assignment]

    def end(self) -> str:
        """Waits until it has ended; gives its complaints, empty where it did all of its work."""
        code = self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip()
        return (said or f"exit code {code}") if code else ""


@contextmanager
def started(
    name: str, connection: Connection, *options: str, reads: bool = False, writes: bool | IO[bytes] = False
) -> Iterator[Program]:
    """Starts a client program of the server's own major version, on the connection's database unless it does both.

    reads: whether it is given a stream. writes: whether it gives one, or into which of another program. It is ended
    where this process is. Raises OperationError where there is no such program.
    """
    program = dump_program(str(connection.info.server_version // 10000)).with_name(name)
    if not os.access(program, os.X_OK):
        raise OperationError(f"{program} is missing. Install PostgreSQL's client programs.")
    variables = dict(environment(connection.info.password))
    with TemporaryFile() as complaints, guard(variables) as mark:
        process = subprocess.Popen(
            [str(program), *options, *(() if reads and writes else ("-d", reached(connection)))],
            env=variables,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=(subprocess.PIPE if writes else subprocess.DEVNULL) if isinstance(writes, bool) else writes,
            stderr=complaints,
            process_group=0,
        )
        try:
            yield Program(process, complaints)
        finally:
            if process.poll() is None:
                process.kill()
                sweep(mark, patience=0)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    close(stream)


def close(stream: IO[bytes]) -> None:
    """Closes a program's stream, also where nobody reads it any more."""
    with suppress(BrokenPipeError):
        stream.close()
