"""A cluster is brought to a newer major version: everything in it is there, and there is no way back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.servers import Cluster, NotFound, PoolSpec, UpgradeFailed
from localcloud.servers import upgrade as module
from tests.localcloud.servers.clients import Place, spec, value

FACTS = """
SELECT (SELECT sum(id) FROM things), (SELECT nextval('things_id_seq')), (SELECT 'Villa'::citext = 'VILLA'),
    (SELECT count(*) FROM pg_largeobject_metadata), has_table_privilege('app', 'things', 'SELECT'),
    (SELECT current_setting('work_mem')), (SELECT datcollate FROM pg_database WHERE datname = 'defaultdb')
"""


@pytest.fixture
def old(place: Place) -> Iterator[Cluster]:
    created = place.create(version="15")
    created.create_user("app", "pw")
    created.create_database("other")
    created.set_pools([PoolSpec(name="api", database="defaultdb", user="app", mode="transaction", size=3)])
    created.configure({"work_mem": "7MB"})
    with place.connect(created) as session:
        session.execute("CREATE EXTENSION citext")
        session.execute("CREATE TABLE things (id serial PRIMARY KEY, name text)")
        session.execute("INSERT INTO things (name) SELECT 'thing' FROM generate_series(1, 1000)")
        session.execute("GRANT SELECT ON things TO app")
        session.execute("SELECT lo_from_bytea(0, 'large')")
    yield created
    created.destroy()


def check(place: Place, cluster: Cluster, version: str, before: object, number: int) -> None:
    with place.connect(cluster) as session:
        assert value(session, "SELECT current_setting('server_version_num')::int / 10000") == int(version)
        found = session.execute(FACTS).fetchone()
        assert found is not None
        assert found[1] == number
        assert (*found[:1], *found[2:]) == before
    with place.connect_pool(cluster, "api", user="app", password="pw") as session:
        assert value(session, "SELECT count(*) FROM things") == 1000
    assert "other" in cluster.databases()
    assert cluster.users() == ("app", "doadmin")


def test_upgraded_in_place_with_replicas_and_standbys(place: Place, old: Cluster) -> None:
    old.set_standbys(1)
    old.create_replica("reader", place.folder / "reader", 25)
    moment = old.back_up().created_at
    with place.connect(old) as session:
        found = session.execute(FACTS).fetchone()
        assert found is not None
    before, addresses = (*found[:1], *found[2:]), (old.state.port, old.state.pool_port, old.standby_port)
    for number, version in enumerate(("17", "18"), start=1002):
        old.upgrade(version)
        assert (old.state.version, (old.state.port, old.state.pool_port, old.standby_port)) == (version, addresses)
        check(place, old, version, before, number)
        for node in (old.standbys[0], old.replicas["reader"]):
            with place.connect(node) as session:
                assert value(session, "SELECT count(*) FROM things") == 1000
                assert value(session, "SELECT current_setting('server_version_num')::int / 10000") == int(version)
        assert old.backups() == ()
        with pytest.raises(NotFound):
            old.restore(place.folder / "restored", spec(id="restored", version=version), moment)
    old.back_up()
    old.stop()
    again = place.load()
    again.start()
    check(place, again, "18", before, 1004)


def test_upgraded_by_a_dump_where_an_installation_is_a_server_only(
    place: Place, old: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.connect(old) as session:
        found = session.execute(FACTS).fetchone()
        assert found is not None
    monkeypatch.setattr(module, "_NEEDED", ("no such program",))
    old.upgrade("17")
    check(place, old, "17", (*found[:1], *found[2:]), 1002)


def test_a_failed_upgrade_leaves_the_cluster_as_it_was(place: Place, old: Cluster) -> None:
    with place.connect(old) as session:
        session.execute("CREATE TABLE fine (what int)")
    with old._server.connect("defaultdb") as session:
        # Version 17 has it no more.
        session.execute("CREATE EXTENSION adminpack")
    moment = old.back_up().created_at
    with pytest.raises(UpgradeFailed, match="adminpack"):
        old.upgrade("17")
    assert (old.state.version, old.running()) == ("15", True)
    assert [backup.created_at for backup in old.backups()] == [moment]
    with place.connect(old) as session:
        assert value(session, "SELECT count(*) FROM things") == 1000


@pytest.mark.parametrize("renamed", [1, 2])
def test_an_upgrade_that_was_cut_off_is_settled_by_the_next_start(
    place: Place, old: Cluster, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    """After the first of two renamings it is the old cluster, after the second the new one."""
    real, count = Path.rename, 0

    def rename(self: Path, target: Path) -> Path:
        nonlocal count
        if old.folder in self.parents and self.name == "data":
            count += 1
            if count > renamed:
                raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(Cluster, "start", lambda _: None)
    if renamed == 1:
        with pytest.raises(KeyboardInterrupt):
            old.upgrade("17")
    else:
        old.upgrade("17")
    monkeypatch.undo()
    loaded = place.load()
    loaded.start()
    assert loaded.state.version == ("15" if renamed == 1 else "17")
    with place.connect(loaded) as session:
        assert value(session, "SELECT count(*) FROM things") == 1000
    assert not (loaded.folder / "upgrade").exists()
