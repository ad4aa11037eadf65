"""A cluster's backups, and what may be restored from them."""

from datetime import UTC, datetime
from typing import Any

from localcloud import catalogue, servers
from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.databases.lookup import find_cluster, require_engine, require_online
from localcloud.api.errors import PreconditionFailed, Unprocessable
from localcloud.backups import following
from localcloud.catalogue import EngineType
from localcloud.records import Cluster, Restore

_GIGABYTE = 10**9


class RestoreBody(Body):
    """database_name: the cluster's name. backup_created_at: any moment in the window; else the newest backup's."""

    database_name: str
    backup_created_at: str | None = None


def _list(call: Call) -> Reply:
    cluster = find_cluster(call.cloud.state.read(), call.param("id"))
    found = _backups(call, cluster)
    due = following(cluster, found[-1].created_at)
    schedule = {"backup_hour": due.hour, "backup_minute": due.minute, "backup_interval_hours": 24}
    return Reply(body={"backups": [_show(backup) for backup in found], "scheduled_backup_time": schedule})


def _take(call: Call) -> Reply:
    running = _online(call, find_cluster(call.cloud.state.read(), call.param("id")))
    return Reply(status=201, body={"backup": _show(running.back_up())})


def source(call: Call, asked: RestoreBody, engine: EngineType, version: str) -> tuple[Cluster, Restore]:
    """The cluster to restore from, and to which moment. engine, version: the new cluster's.

    Raises Unprocessable for a cluster, version or time that cannot be restored, PreconditionFailed without a backup.
    """
    clusters = [cluster for cluster in call.cloud.state.read().clusters.values() if not cluster.deleting]
    found = next((cluster for cluster in clusters if cluster.name == asked.database_name), None)
    if found is None:
        names = ", ".join(cluster.name for cluster in clusters) or "none"
        raise Unprocessable(
            f"backup_restore.database_name {asked.database_name}: no database cluster has this name."
            f" There are: {names}."
        )
    backups = _backups(call, found)
    if (engine.slug, version) != (found.engine, found.version):
        title = catalogue.RUNNING[found.engine].title
        raise Unprocessable(f"version {version}: a backup of {found.name} needs its own, {title} {found.version}.")
    now = datetime.now(UTC)
    at = _time(asked.backup_created_at) if asked.backup_created_at else backups[-1].created_at
    first = max(backups[0].created_at, now - servers.WINDOW)
    if not first <= at <= now:
        raise Unprocessable(
            f"backup_restore.backup_created_at {asked.backup_created_at}: {found.name} cannot be restored to this time."
            f" Allowed: {_text(first)} to {_text(now)}."
        )
    return found, Restore(cluster_id=found.id, at=at.isoformat())


def _backups(call: Call, cluster: Cluster) -> tuple[servers.Backup, ...]:
    found = _online(call, cluster).backups()
    if not found:
        raise PreconditionFailed(f"{cluster.name} does not have any backups yet. The first one is taken soon.")
    return found


def _online(call: Call, cluster: Cluster) -> servers.Cluster:
    require_engine("pg", cluster, "Backups")
    require_online(cluster)
    return call.cloud.fleet.postgresql(cluster.id)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise Unprocessable(
            f"backup_restore.backup_created_at {text}: not a time. Write it like 2026-01-31T19:25:22Z."
        ) from problem
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _show(backup: servers.Backup) -> dict[str, Any]:
    return {
        "created_at": _text(backup.created_at),
        "size_gigabytes": round(backup.size / _GIGABYTE, 8),
        "incremental": False,
    }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ENDPOINTS: Routes = {"/v2/databases/{id}/backups": {"GET": _list}, "/_local/databases/{id}/backups": {"POST": _take}}
