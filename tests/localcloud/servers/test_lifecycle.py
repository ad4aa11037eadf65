"""Start, stop, resize and destroy; ends that nobody planned."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from localcloud.servers import (
    AlreadyExists,
    Cluster,
    InvalidRequest,
    NotFound,
    PoolSpec,
    PortTaken,
    StartFailed,
    ToolMissing,
)
from localcloud.servers.processes import within
from localcloud.servers.sockets import socket_folder
from tests.localcloud.servers.clients import Place, eventually, value

POOL = PoolSpec(name="api", database="defaultdb", user="doadmin", mode="transaction", size=5)


def _write(place: Place, cluster: Cluster, row: int) -> None:
    with place.connect(cluster) as session:
        session.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        session.execute("INSERT INTO kept VALUES (%s)", [row])


def _rows(place: Place, cluster: Cluster) -> list[int]:
    with place.connect(cluster) as session:
        return [row[0] for row in session.execute("SELECT id FROM kept ORDER BY id").fetchall()]


def test_data_users_and_pools_survive_stop_and_start(cluster: Cluster, place: Place) -> None:
    _write(place, cluster, 1)
    cluster.create_user("app", "pw")
    cluster.set_pools([POOL])
    ports = (cluster.state.port, cluster.state.pool_port)
    cluster.stop()
    cluster.stop()
    assert not cluster.running()
    assert not within(cluster.folder)
    assert not socket_folder(cluster.folder).exists()

    again = place.load()
    assert not again.running()
    again.start()
    again.start()
    assert again.running()
    assert (again.state.port, again.state.pool_port) == ports
    assert again.state.version == "17"
    assert _rows(place, again) == [1]
    with place.connect(again, user="app", password="pw") as session:
        assert value(session, "SELECT 1") == 1
    with place.connect_pool(again, "api") as session:
        assert value(session, "SELECT 1") == 1


def test_starting_what_runs_disturbs_nobody(cluster: Cluster, place: Place) -> None:
    cluster.set_pools([POOL])
    with place.connect(cluster) as direct, place.connect_pool(cluster, "api") as pooled:
        pooled.execute("SELECT 1")
        cluster.start()
        assert value(direct, "SELECT 1") == value(pooled, "SELECT 1") == 1


def test_resize_keeps_data_and_raises_the_limit(cluster: Cluster, place: Place) -> None:
    _write(place, cluster, 1)
    cluster.resize(50)
    assert cluster.state.max_connections == place.load().state.max_connections == 50
    assert _rows(place, cluster) == [1]
    with place.connect(cluster) as session:
        assert value(session, "SHOW max_connections") == "50"
        assert value(session, "SHOW superuser_reserved_connections") == "3"
    with pytest.raises(InvalidRequest, match="at least 4"):
        cluster.resize(3)
    assert cluster.running()


def test_a_stopped_cluster_is_resized_at_its_next_start(cluster: Cluster, place: Place) -> None:
    cluster.stop()
    cluster.resize(50)
    assert not cluster.running()
    cluster.start()
    with place.connect(cluster) as session:
        assert value(session, "SHOW max_connections") == "50"


def test_clients_of_a_transaction_pool_notice_nothing_of_a_resize(cluster: Cluster, place: Place) -> None:
    cluster.set_pools([POOL])
    with place.connect(cluster) as session:
        session.execute("CREATE TABLE kept (id int)")
    committed: list[int] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def stay(first: int) -> None:
        try:
            with place.connect_pool(cluster, "api") as session:
                row = first
                while not stop.is_set():
                    with session.transaction():
                        session.execute("INSERT INTO kept VALUES (%s)", [row])
                        session.execute("SELECT pg_sleep(0.01)")
                    committed.append(row)
                    row += 1
        except psycopg.Error as error:
            failures.append(error)

    def come_and_go() -> None:
        try:
            while not stop.is_set():
                with place.connect_pool(cluster, "api") as session:
                    session.execute("SELECT 1")
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=stay, args=(n * 1_000_000,)) for n in range(8)]
    threads.append(threading.Thread(target=come_and_go))
    for thread in threads:
        thread.start()
    try:
        for limit in (50, 100):
            before = len(committed)
            eventually(lambda before=before: len(committed) > before + 50 or bool(failures))  # type: ignore[misc]
            cluster.resize(limit)
            before = len(committed)
            eventually(lambda before=before: len(committed) > before + 50 or bool(failures))  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert _rows(place, cluster) == sorted(committed)


def test_a_transaction_that_outlasts_the_pause_is_rolled_back(
    cluster: Cluster, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.servers.cluster.PAUSE_PATIENCE", 0.5)
    _write(place, cluster, 1)
    cluster.set_pools([POOL])
    with place.connect_pool(cluster, "api") as waiting:
        waiting.execute("SELECT 1")
        endless = place.connect_pool(cluster, "api", autocommit=False)
        endless.execute("INSERT INTO kept VALUES (2)")
        cluster.resize(50)
        with pytest.raises(psycopg.OperationalError):
            endless.execute("SELECT 1")
        endless.close()
        assert value(waiting, "SELECT count(*) FROM kept") == 1


def test_destroyed_it_leaves_nothing_behind(place: Place) -> None:
    cluster = place.create()
    cluster.create_replica("reader", place.folder / "replica", 25)
    sockets = [socket_folder(cluster.folder), socket_folder(place.folder / "replica")]
    assert all(folder.exists() for folder in sockets)
    cluster.destroy()
    cluster.destroy()
    assert not within(place.folder)
    assert not cluster.folder.exists()
    assert not (place.folder / "replica").exists()
    assert not any(folder.exists() for folder in sockets)
    assert not Cluster.exists(cluster.folder)
    with pytest.raises(NotFound, match=r"cluster\.json"):
        place.load()


def test_a_cluster_is_not_created_over_another(cluster: Cluster, place: Place) -> None:
    with pytest.raises(AlreadyExists, match="Nothing was changed"):
        place.create()
    assert cluster.running()


def test_a_version_that_is_not_installed(place: Place) -> None:
    with pytest.raises(ToolMissing, match=r"PostgreSQL 12 is not installed .*; installed: .*17"):
        place.create(version="12")
    assert not (place.folder / "cluster").exists()


@pytest.mark.parametrize("which", ["port", "pool_port"])
def test_a_taken_port_is_named_and_nothing_is_left_half_started(cluster: Cluster, place: Place, which: str) -> None:
    _write(place, cluster, 1)
    cluster.stop()
    port = getattr(cluster.state, which)
    with socket.create_server(("127.0.0.2", port)):
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.2 is taken.*data is untouched"):
            cluster.start()
        assert not within(cluster.folder)
    cluster.start()
    assert _rows(place, cluster) == [1]


def test_a_failed_start_shows_the_end_of_the_log(cluster: Cluster, place: Place) -> None:
    _write(place, cluster, 1)
    cluster.stop()
    control = cluster.folder / "data" / "global" / "pg_control"
    aside = control.rename(control.with_name("aside"))
    with pytest.raises(StartFailed, match="could not find the database system"):
        cluster.start()
    assert not within(cluster.folder)
    aside.rename(control)
    cluster.start()
    assert _rows(place, cluster) == [1]


def test_a_server_that_was_killed_recovers(cluster: Cluster, place: Place) -> None:
    _write(place, cluster, 1)
    for pid_file in (cluster.folder / "data" / "postmaster.pid",):
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    eventually(lambda: not cluster.running())
    cluster.start()
    assert cluster.running()
    assert _rows(place, cluster) == [1]


def test_a_stale_pid_file_that_names_someone_elses_process_harms_nobody(cluster: Cluster, place: Place) -> None:
    _write(place, cluster, 1)
    cluster.stop()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"]) as bystander:
        stale = cluster.folder / "data" / "postmaster.pid"
        stale.write_text(f"{bystander.pid}\n{cluster.folder / 'data'}\n")
        assert not cluster.running()
        cluster.stop()
        cluster.start()
        assert bystander.poll() is None
        bystander.kill()
    assert _rows(place, cluster) == [1]


def _manager(place: Place, task: str) -> "subprocess.Popen[str]":
    tools = place.tools
    arguments = [place.folder / "cluster", tools.postgresql, tools.pgbouncer, tools.installations.parent]
    command = [sys.executable, "-m", "tests.localcloud.servers.manager", *map(str, arguments)]
    return subprocess.Popen(
        [*command, str(place.folder / "ca"), task],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )


def test_servers_whose_manager_was_killed_are_taken_over(place: Place) -> None:
    with _manager(place, "create") as manager:
        assert manager.stdout is not None
        assert manager.stdout.readline() == "up\n"
        manager.send_signal(signal.SIGKILL)
    cluster = place.load()
    assert cluster.running(), "the servers outlive their manager"
    _write(place, cluster, 1)
    cluster.set_pools([POOL])
    with place.connect(cluster) as direct, place.connect_pool(cluster, "api") as pooled:
        pooled.execute("SELECT 1")
        cluster.start()
        # Taken over, not restarted: clients stay connected.
        assert value(direct, "SELECT 1") == value(pooled, "SELECT 1") == 1
    cluster.stop()
    assert not within(cluster.folder)
    cluster.start()
    assert _rows(place, cluster) == [1]
    cluster.destroy()
    assert not within(place.folder)


def test_a_resize_cut_short_is_finished_by_the_next_start(cluster: Cluster, place: Place) -> None:
    """What was saved says 50, the server still runs with 25 and the pooler still holds its clients."""
    cluster.set_pools([POOL])
    other = place.load()
    cluster.stop()
    other.resize(50)
    saved = (cluster.folder / "cluster.json").read_text()
    cluster.start()
    (cluster.folder / "cluster.json").write_text(saved)
    with place.connect_pool(cluster, "api") as session:
        assert value(session, "SHOW max_connections") == "25"
        cluster._pooler.pause(["api"], 5.0)
        again = place.load()
        again.start()
        assert value(session, "SHOW max_connections") == "50"


@pytest.mark.parametrize("delay", [0.2, 0.6, 1.2])
def test_a_creation_cut_short_is_done_again_from_the_beginning(place: Place, delay: float) -> None:
    with _manager(place, "create") as manager:
        eventually((place.folder / "cluster").exists)
        time.sleep(delay)
        manager.send_signal(signal.SIGKILL)
    if Cluster.exists(place.folder / "cluster"):
        cluster = place.load()
        cluster.start()
    else:
        cluster = place.create()
    _write(place, cluster, 1)
    assert _rows(place, cluster) == [1]
    cluster.destroy()
    assert not within(place.folder)


def test_two_clusters_side_by_side(cluster: Cluster, place: Place) -> None:
    second = place.create("second", id="second")
    try:
        _write(place, cluster, 1)
        _write(place, second, 2)
        assert _rows(place, cluster) == [1]
        cluster.stop()
        assert second.running()
        assert _rows(place, second) == [2]
    finally:
        second.destroy()
