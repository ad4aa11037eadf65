"""Slow work on worker threads, one job at a time for each thing that it changes."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_WORKERS = 4

Item = TypeVar("Item")


class Jobs:
    """Jobs that end in the records. Every one can be repeated: after a crash the same ones are given out again."""

    def __init__(self, name: str) -> None:
        self._guards: dict[object, threading.RLock] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix=name)
        self._open: set[Future[None]] = set()

    @contextmanager
    def guard(self, id: object) -> Iterator[None]:
        """Keeps others from changing the servers and records of this id while the block runs."""
        with self._lock:
            guard = self._guards.setdefault(id, threading.RLock())
        with guard:
            yield

    def submit(self, job: Callable[[Item], None], item: Item) -> None:
        """Runs a job on a worker thread."""
        future = self._workers.submit(job, item)
        with self._lock:
            self._open.add(future)
        future.add_done_callback(self._forget)

    def busy(self) -> int:
        """Jobs that are not finished."""
        with self._lock:
            return len(self._open)

    def end(self, stop: Callable[[Item], None], items: Callable[[], Iterable[Item]]) -> None:
        """Waits for the jobs under way, drops the others, then stops what there is by then."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        with ThreadPoolExecutor(_WORKERS) as stoppers:
            list(stoppers.map(stop, list(items())))

    def _forget(self, job: Future[None]) -> None:
        with self._lock:
            self._open.discard(job)
