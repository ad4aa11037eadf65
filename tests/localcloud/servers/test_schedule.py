"""The daily backup, by the schedule itself."""

from datetime import timedelta

from localcloud.backups import INTERVAL, BackupSchedule
from localcloud.fleet import Fleet
from localcloud.options import Layout
from localcloud.records import Cluster, MaintenanceWindow, User, now
from localcloud.servers import choose_ports
from localcloud.state import State
from tests.localcloud.servers.clients import Place, eventually

ID = "9cc10173-e9ea-4176-9dbc-a4cee4c4ff30"


def test_a_cluster_is_backed_up_at_first_and_then_once_a_day(place: Place) -> None:
    layout = Layout(state=place.folder)
    state = State(layout.records)
    port, pool_port = choose_ports(("127.0.0.1", "127.0.0.2"))
    record = Cluster(
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
        port=port,
        pool_port=pool_port,
        users=(User(name="doadmin", password="pw", role="primary"),),
        maintenance=MaintenanceWindow(day="monday", hour="03:00:00"),
    )
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
    finally:
        schedule.stop()
        fleet.stop_all()
        fleet.destroy_cluster(record)
