"""Base backups, the WAL archive, and clusters restored to a moment."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.servers import Cluster, NotFound, NotRunning, StartFailed
from tests.localcloud.servers.clients import Place, Session, spec, value
from trellis.development.bring import POSTGRESQL

NEW_PASSWORD = "password of the copy"


def restore(place: Place, cluster: Cluster, at: datetime, name: str = "restored") -> Cluster:
    order = spec(id=name, version=cluster.state.version, admin_password=NEW_PASSWORD)
    return cluster.restore(place.folder / name, order, at)


def moment(session: Session) -> datetime:
    """The server's time now; whatever is committed after the call has a later one."""
    now: datetime = value(session, "SELECT clock_timestamp()")
    time.sleep(0.01)
    return now


@pytest.mark.parametrize("version", [min(POSTGRESQL), max(POSTGRESQL)])
def test_a_cluster_is_restored_to_the_moment_before_a_mistake(place: Place, version: str) -> None:
    cluster = place.create(version=version)
    cluster.create_user("app", "password of app")
    with place.connect(cluster) as session:
        session.execute("CREATE TABLE orders (id int)")
        session.execute("INSERT INTO orders SELECT generate_series(1, 100)")
        cluster.back_up()
        session.execute("INSERT INTO orders SELECT generate_series(101, 150)")
        before = moment(session)
        session.execute("DROP TABLE orders")
        session.execute("CREATE DATABASE made_later")
    copy = restore(place, cluster, before)
    with place.connect(copy, password=NEW_PASSWORD) as session:
        assert value(session, "SELECT count(*) FROM orders") == 150
        session.execute("INSERT INTO orders VALUES (151)")
    assert copy.databases() == ("defaultdb",)
    with place.connect(copy, user="app", password="password of app") as session:
        assert value(session, "SELECT current_user") == "app"
    with place.connect(cluster) as session:
        assert value(session, "SELECT to_regclass('orders')") is None, "the restored cluster is another one"
    copy.destroy()
    cluster.destroy()


def test_a_restored_cluster_lives_on_without_the_first(place: Place) -> None:
    cluster = place.create()
    copy = restore(place, cluster, cluster.back_up().created_at)
    cluster.destroy()
    copy.back_up()
    with place.connect(copy, password=NEW_PASSWORD) as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS id")
        now = moment(session)
    copy.stop()
    copy = place.load("restored")
    copy.start()
    again = restore(place, copy, now, "twice")
    with place.connect(again, password=NEW_PASSWORD) as session:
        assert value(session, "SELECT count(*) FROM kept") == 1
    again.destroy()
    copy.destroy()


def test_a_backups_own_time_restores_what_it_had(cluster: Cluster, place: Place) -> None:
    with place.connect(cluster) as session:
        session.execute("CREATE TABLE kept (id int)")
        first = cluster.back_up()
        session.execute("CREATE TABLE later (id int)")
        second = cluster.back_up()
        assert first.created_at < second.created_at
        assert cluster.backups() == (first, second)
        assert first.size > 100_000
    copy = restore(place, cluster, first.created_at)
    with place.connect(copy, password=NEW_PASSWORD) as session:
        assert value(session, "SELECT to_regclass('kept')") == "kept"
    copy.destroy()


def test_there_is_nothing_to_restore_before_the_first_backup(cluster: Cluster, place: Place) -> None:
    assert cluster.backups() == ()
    with pytest.raises(NotFound, match="no backup from before"):
        restore(place, cluster, datetime.now(UTC))
    assert not (place.folder / "restored").exists()
    backup = cluster.back_up()
    with pytest.raises(NotFound):
        restore(place, cluster, backup.created_at - timedelta(seconds=1))


def test_a_smaller_plan_can_be_restored_to(place: Place) -> None:
    cluster = place.create(max_connections=97)
    backup = cluster.back_up()
    copy = restore(place, cluster, backup.created_at)
    with place.connect(copy, password=NEW_PASSWORD) as session:
        assert value(session, "SHOW max_connections") == "25"
    copy.destroy()
    cluster.destroy()


def test_a_stopped_cluster_is_neither_backed_up_nor_restored(cluster: Cluster, place: Place) -> None:
    cluster.back_up()
    cluster.stop()
    with pytest.raises(NotRunning):
        cluster.back_up()
    with pytest.raises(NotRunning):
        restore(place, cluster, datetime.now(UTC))


def test_a_backup_that_fails_leaves_nothing(cluster: Cluster) -> None:
    unreadable = cluster.folder / "data" / "global" / "unreadable"
    unreadable.touch(mode=0)
    with pytest.raises(StartFailed, match="could not be copied"):
        cluster.back_up()
    assert cluster.backups() == ()
    assert [path for path in (cluster.folder / "backups" / "base").iterdir() if path.is_dir()] == []
    unreadable.unlink()
    assert cluster.back_up() in cluster.backups()


def test_what_left_the_window_is_forgotten(cluster: Cluster, place: Place) -> None:
    base, wal = cluster.folder / "backups" / "base", cluster.folder / "backups" / "wal"
    with place.connect(cluster) as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS id")
        for days in (10, 9, 8):
            backup = cluster.back_up()
            aged = backup.created_at - timedelta(days=days)
            backup.folder.rename(base / aged.strftime("%Y%m%dT%H%M%SZ"))
    segments = {path.name for path in wal.glob("0*.gz")}
    newest = cluster.back_up()
    left = cluster.backups()
    assert [(newest.created_at - backup.created_at).days for backup in left] == [8, 0], "one from before the window"
    assert segments - {path.name for path in wal.glob("0*.gz")}, "WAL that no backup needs is removed"
    copy = restore(place, cluster, left[0].created_at)
    with place.connect(copy, password=NEW_PASSWORD) as session:
        assert value(session, "SELECT count(*) FROM kept") == 1
    copy.destroy()
