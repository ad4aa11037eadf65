"""The daily backups of PostgreSQL clusters."""

import logging
from datetime import UTC, datetime, timedelta

from localcloud import servers
from localcloud.fleet import Fleet
from localcloud.jobs import Ticker
from localcloud.state import State

_log = logging.getLogger("localcloud.backups")

INTERVAL = timedelta(days=1)


class BackupSchedule(Ticker):
    """Backs every online cluster up once a day, one cluster after the other. A backup under way ends with its server.

    tick: seconds between two looks at what is due. A new cluster has its first backup no later than that.
    """

    def __init__(self, fleet: Fleet, state: State, tick: float = 60.0) -> None:
        super().__init__("backups", self._back_up_all, tick)
        self._fleet = fleet
        self._state = state

    def _back_up_all(self) -> None:
        for cluster in self._state.read().clusters.values():
            if cluster.engine == "pg" and cluster.status == "online" and not self.ended.is_set():
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
