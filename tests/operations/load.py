"""Clients of a database, many at a time, in a process of their own, so that what is measured beside them is not theirs.

Each writes one row a transaction, on the first address until one fails, then on the next. Ends with its standard input,
and tells what became of them as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from tools import ROOT

_INSERT = "INSERT INTO public.audit_log (address, action) VALUES (%s, 'tick')"


class Load:
    """What is told. committed: transactions. failed: how often, by SQLSTATE. longest: of a transaction, in seconds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.committed = 0
        self.failed: dict[str, int] = {}
        self.longest = 0.0

    def end(self) -> None:
        """Lets every client end its transaction."""
        told, _ = self._process.communicate("end\n")
        assert self._process.returncode == 0
        self.__dict__.update(json.loads(told))


@contextmanager
def loaded(uris: Sequence[str], clients: int) -> Iterator[Load]:
    """So many clients, all of them connected and at work."""
    with subprocess.Popen(
        (sys.executable, "-m", "tests.operations.load", str(clients), *uris),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        load = Load(process)
        try:
            yield load
        finally:
            if process.poll() is None:
                load.end()


async def _client(number: int, uris: Sequence[str], ended: asyncio.Event, ready: asyncio.Semaphore) -> dict[str, Any]:
    committed, failed, longest, at, connection = 0, Counter[str](), 0.0, 0, None
    while not ended.is_set():
        try:
            if connection is None:
                connection = await psycopg.AsyncConnection.connect(uris[at], autocommit=True, prepare_threshold=None)
            started = time.monotonic()
            await connection.execute(_INSERT, (f"c{number}-{committed}",))
        except psycopg.Error as error:
            failed[error.sqlstate or type(error).__name__] += 1
            if connection is not None:
                await connection.close()
            connection, at = None, (at + 1) % len(uris)
        else:
            if not committed:
                ready.release()
            committed += 1
            longest = max(longest, time.monotonic() - started)
        await asyncio.sleep(0.02)
    if connection is not None:
        await connection.close()
    return {"committed": committed, "failed": failed, "longest": longest}


async def _run(clients: int, uris: Sequence[str]) -> None:
    ended, ready = asyncio.Event(), asyncio.Semaphore(0)
    started = [asyncio.create_task(_client(number, uris, ended, ready)) for number in range(clients)]
    for _ in started:
        await ready.acquire()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    ended.set()
    found = await asyncio.gather(*started)
    failed: Counter[str] = sum((one["failed"] for one in found), Counter())
    told = {"committed": sum(one["committed"] for one in found), "failed": failed}
    sys.stdout.write(json.dumps({**told, "longest": max(one["longest"] for one in found)}))


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), sys.argv[2:]))
