"""The daily backups of PostgreSQL clusters."""

import logging
import threading
from datetime import UTC, datetime, timedelta

from localcloud import servers
from localcloud.fleet import Fleet
from localcloud.state import State

_log = logging.getLogger("localcloud.backups")

INTERVAL = timedelta(days=1)


class BackupSchedule:
    """Backs every online cluster up once a day, on a thread of its own, one cluster after the other.

    tick: seconds between two looks at what is due. A new cluster has its first backup no later than that.
    """

    def __init__(self, fleet: Fleet, state: State, tick: float = 60.0) -> None:
        self._tick = tick
        self._fleet = fleet
        self._state = state
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backups", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begins no further backup. One under way ends with its server."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._tick):
            for cluster in self._state.read().clusters.values():
                if cluster.engine == "pg" and cluster.status == "online" and not self._ended.is_set():
                    self._back_up(cluster.id)

    def _back_up(self, cluster_id: str) -> None:
        try:
            running = self._fleet.postgresql(cluster_id)
            found = running.backups()
            if not found or datetime.now(UTC) - found[-1].created_at >= INTERVAL:
                running.back_up()
        except (servers.ServerError, OSError) as problem:
            # Stopped, resized or deleted meanwhile. Whatever it was, it is tried again at the next look.
            _log.warning("cluster %s was not backed up: %s", cluster_id, problem)
