"""Every PostgreSQL version that is installed: a server of that version, as able as the newest."""

import pytest

from localcloud.servers import PoolSpec, ToolMissing, Tools
from tests.localcloud.servers.clients import Place, eventually, value
from trellis.development.bring import POSTGRESQL


@pytest.mark.parametrize("version", POSTGRESQL)
def test_a_cluster_runs_the_version_it_was_ordered_with(place: Place, version: str) -> None:
    cluster = place.create(version=version)
    cluster.create_user("app", "pw")
    cluster.set_pools([PoolSpec(name="api", database="defaultdb", user="app", mode="transaction", size=3)])
    replica = cluster.create_replica("reader", place.folder / "reader", 25)
    with place.connect(cluster) as session:
        assert value(session, "SELECT current_setting('server_version_num')::int / 10000") == int(version)
        for extension in ("uuid-ossp", "pgcrypto", "citext", "pg_stat_statements"):
            session.execute(f'CREATE EXTENSION "{extension}"'.encode())
        assert len(value(session, "SELECT uuid_generate_v4()::text || encode(digest('a', 'sha256'), 'hex')")) == 100
        assert value(session, "SELECT 'Villa'::citext = 'VILLA'") is True
        assert value(session, "SELECT count(*) > 0 FROM pg_stat_statements") is True
        session.execute("CREATE TABLE kept (id int)")
    with place.connect_pool(cluster, "api", user="app", password="pw") as session:
        assert value(session, "SELECT current_user") == "app"
    with place.connect(replica) as session:
        eventually(lambda: value(session, "SELECT to_regclass('kept') IS NOT NULL") is True)
    cluster.stop()
    loaded = place.load()
    loaded.start()
    with place.connect(loaded) as session:
        assert value(session, "SELECT count(*) FROM kept") == 0
    loaded.destroy()


def test_a_version_that_is_not_installed_is_refused_with_those_that_are(place: Place, tools: Tools) -> None:
    with pytest.raises(ToolMissing, match=f"PostgreSQL 13 is not installed.*installed: {', '.join(tools.majors())}"):
        place.create(version="13")
    assert not (place.folder / "cluster").exists()
