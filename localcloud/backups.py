"""The daily backups of PostgreSQL clusters."""

import logging
from datetime import UTC, datetime, timedelta

from localcloud import servers
from localcloud.fleet import Fleet
from localcloud.jobs import Ticker
from localcloud.records import Cluster
from localcloud.state import State

_log = logging.getLogger("localcloud.backups")

INTERVAL = timedelta(days=1)


def following(cluster: Cluster, last: datetime) -> datetime:
    """When the backup after the last one is due: at the hour and minute of the cluster's settings, else a day later."""
    at = last.replace(
        hour=cluster.config.get("backup_hour", last.hour), minute=cluster.config.get("backup_minute", last.minute)
    )
    return at if at > last else at + INTERVAL


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
            if cluster.postgresql and cluster.status == "online" and not self.ended.is_set():
                self._back_up(cluster)

    def _back_up(self, cluster: Cluster) -> None:
        try:
            running = self._fleet.postgresql(cluster.id)
            found = running.backups()
            if not found or datetime.now(UTC) >= following(cluster, found[-1].created_at):
                running.back_up()
        except (servers.ServerError, OSError) as problem:
            # Stopped, resized or deleted meanwhile. Whatever it was, it is tried again at the next look.
            _log.warning("cluster %s was not backed up: %s", cluster.id, problem)
