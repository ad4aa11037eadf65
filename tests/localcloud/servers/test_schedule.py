"""The daily backup, by the schedule itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.backups import INTERVAL, BackupSchedule, following
from localcloud.fleet import Fleet
from localcloud.options import Layout
from localcloud.records import Cluster, MaintenanceWindow, User, now
from localcloud.servers import choose_ports
from localcloud.state import State
from tests.localcloud.servers.clients import Place, eventually

ID = "9cc10173-e9ea-4176-9dbc-a4cee4c4ff30"


PORTS = choose_ports(("127.0.0.1", "127.0.0.2"))


def recorded(**changes: Any) -> Cluster:
    return Cluster(
        id=ID,
        name="daily",
        version="17",
        size="db-s-1vcpu-1gb",
        region="nyc1",
        num_nodes=1,
        storage_size_mib=10240,
        private_network_uuid="",
        project_id="",
        status="creating",
        created_at=now(),
        port=PORTS[0],
        pool_port=PORTS[1],
        users=(User(name="doadmin", password="pw", role="primary"),),
        maintenance=MaintenanceWindow(day="monday", hour="03:00:00"),
        **changes,
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "2026-03-02 14:30:10"),
        ({"backup_hour": 20, "backup_minute": 5}, "2026-03-01 20:05:10"),
        ({"backup_hour": 3}, "2026-03-02 03:30:10"),
        ({"backup_hour": 14, "backup_minute": 30}, "2026-03-02 14:30:10"),
        ({"backup_minute": 31}, "2026-03-01 14:31:10"),
    ],
)
def test_the_settings_say_when_the_next_backup_is_due(config: dict[str, int], expected: str) -> None:
    last = datetime(2026, 3, 1, 14, 30, 10, tzinfo=UTC)
    assert f"{following(recorded(config=config), last):%Y-%m-%d %H:%M:%S}" == expected


def test_a_cluster_is_backed_up_at_first_and_then_when_it_is_due(place: Place) -> None:
    layout = Layout(state=place.folder)
    state = State(layout.records)
    record = recorded()
    with state.transaction() as tables:
        tables.clusters[ID] = record
    fleet = Fleet(layout, state, place.tools)
    schedule = BackupSchedule(fleet, state, tick=0.1)
    schedule.start()
    try:
        fleet.settle(ID)
        eventually(lambda: state.read().clusters[ID].status == "online")
        running = fleet.postgresql(ID)
        eventually(lambda: len(running.backups()) == 1)
        (first,) = running.backups()
        yesterday = first.created_at - INTERVAL - timedelta(seconds=1)
        first.folder.rename(first.folder.with_name(yesterday.strftime("%Y%m%dT%H%M%SZ")))
        eventually(lambda: len(running.backups()) == 2)
        assert running.backups()[0].created_at == yesterday
        # A new hour counts from the next look on.
        due = datetime.now(UTC) - timedelta(minutes=1)
        earlier = due - timedelta(minutes=1)
        with state.transaction() as tables:
            config = {"backup_hour": due.hour, "backup_minute": due.minute}
            tables.clusters[ID] = tables.clusters[ID].model_copy(update={"config": config})
        second = running.backups()[1]
        second.folder.rename(second.folder.with_name(earlier.strftime("%Y%m%dT%H%M%SZ")))
        eventually(lambda: len(running.backups()) == 3)
    finally:
        schedule.stop()
        fleet.stop_all()
        fleet.destroy_cluster(record)
