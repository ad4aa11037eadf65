"""Applying migrations: this project's migrator, other tools and bare psql on one server, process start included."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.delay import delayed
from bench.rivals import Tool, environment, tools, written
from tests.migrator.servers import PostgreSQL, server_folder
from trellis.development.progress import Failure

COUNTS = (200, 1000)
ROUND_TRIP = 0.010
RUNS = 3


def run() -> None:
    """Prints, for each number of files and each link, how much longer every other tool takes.

    The server's data is in memory where the system has a folder for that: how long a disk takes to make a table's files
    is the same for all, and varies more than the tools differ.
    """
    compared = tools()
    memory = Path("/dev/shm")  # noqa: S108
    with server_folder(memory if memory.is_dir() else None) as folder:
        server = PostgreSQL(folder)
        server.start({"fsync": "on"})
        try:
            for count in COUNTS:
                for link, round_trip in (("direct", 0.0), (f"{ROUND_TRIP * 1000:g} ms a round trip", ROUND_TRIP)):
                    with _port(server, round_trip) as port:
                        # Over the slow link the other tools take up to minutes, waiting, and their times hardly vary.
                        _compare(compared, count, link, server, port, others=1 if round_trip else RUNS)
        finally:
            server.stop()


@contextmanager
def _port(server: PostgreSQL, round_trip: float) -> Iterator[int]:
    if not round_trip:
        yield server.port
        return
    with delayed(server.port, round_trip / 2) as port:
        yield port


def _compare(compared: Sequence[Tool], count: int, link: str, server: PostgreSQL, port: int, *, others: int) -> None:
    """others: how often the other tools run; this project's runs RUNS times."""
    first: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    for turn in range(RUNS):
        for tool in compared[: None if turn < others else 1]:
            with written(tool, count) as folder:
                _empty(server)
                first.setdefault(tool.name, []).append(_seconds(tool, port, Path(folder)))
                _must_hold(server, tool, count)
                if tool.history:
                    again.setdefault(tool.name, []).append(_seconds(tool, port, Path(folder)))
    _show(f"{count} migrations, {link}", first)
    _show(f"nothing to do after {count} migrations, {link}", again)
    start = statistics.median(_start() for _ in range(RUNS))
    work, bare = (statistics.median(first[tool.name]) for tool in (compared[0], compared[-1]))
    print(
        f"{count} migrations, {link}: past the start of Python ({start:.2f} s), {(work - start) / bare:.2f} x psql -1"
    )


def _start() -> float:
    """How long Python takes to start and to load the driver, in seconds."""
    started = time.perf_counter()
    subprocess.run((sys.executable, "-c", "import psycopg"), check=True)
    return time.perf_counter() - started


def _show(title: str, seconds: dict[str, list[float]]) -> None:
    ours, *others = ((name, statistics.median(times)) for name, times in seconds.items())
    for name, median in others:
        print(f"{title}: {name} takes {median / ours[1]:.2f} x ours ({median:.2f} s and {ours[1]:.2f} s)", flush=True)


def _seconds(tool: Tool, port: int, folder: Path) -> float:
    command = tool.command(port, folder)
    started = time.perf_counter()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise Failure(f"{tool.name}: {done.stdout}{done.stderr}")
    return seconds


def _empty(server: PostgreSQL) -> None:
    with server.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
        connection.execute("CREATE DATABASE bench TEMPLATE template0")
        connection.execute("CHECKPOINT")


def _must_hold(server: PostgreSQL, tool: Tool, count: int) -> None:
    with server.connect("bench") as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]+$'").fetchone()
    if found != (count,):
        raise Failure(f"{tool.name} has made {found} of {count} tables.")
