"""Slow work on worker threads, one job at a time for each thing that it changes."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from localcloud.servers import ServerError

_log = logging.getLogger("localcloud.jobs")

_WORKERS = 4

Item = TypeVar("Item")


class Jobs:
    """Jobs that end in the records. Every one can be repeated: after a crash the same ones are given out again."""

    def __init__(self, name: str) -> None:
        self._guards: dict[object, threading.RLock] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix=name)
        self._open: dict[Future[None], object] = {}

    @contextmanager
    def guard(self, id: object, *, wait: bool = True) -> Iterator[bool]:
        """Keeps others from changing the servers and records of this id while the block runs.

        wait: otherwise the block runs at once and is told whether nobody else has the guard.
        """
        with self._lock:
            guard = self._guards.setdefault(id, threading.RLock())
        free = guard.acquire(blocking=wait)
        try:
            yield free
        finally:
            if free:
                guard.release()

    def submit(self, job: Callable[[Item], None], item: Item) -> None:
        """Runs a job on a worker thread."""
        future = self._workers.submit(job, item)
        with self._lock:
            self._open[future] = item
        future.add_done_callback(self._forget)

    def concern(self, item: object) -> bool:
        """Whether a job of this item is not finished."""
        with self._lock:
            return item in self._open.values()

    def busy(self) -> int:
        """Jobs that are not finished."""
        with self._lock:
            return len(self._open)

    def end(self, stop: Callable[[Item], None], items: Callable[[], Iterable[Item]]) -> None:
        """Waits for the jobs under way, drops the others, then stops what there is by then, as far as that goes."""

        def try_to_stop(item: Item) -> None:
            try:
                stop(item)
            except ServerError as problem:
                _log.error("could not be stopped: %s", problem)

        self._workers.shutdown(wait=True, cancel_futures=True)
        with ThreadPoolExecutor(_WORKERS) as stoppers:
            list(stoppers.map(try_to_stop, list(items())))

    def _forget(self, job: Future[None]) -> None:
        with self._lock:
            self._open.pop(job, None)


class Ticker:
    """Work that is done again and again on a thread of its own, until `stop`. tick: seconds in between."""

    def __init__(self, name: str, work: Callable[[], None], tick: float) -> None:
        self._work = work
        self._tick = tick
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, wait: bool = False) -> None:
        """Begins the work no more. wait: return when what is under way is done."""
        self.ended.set()
        if wait and self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self.ended.wait(self._tick):
            self._work()
