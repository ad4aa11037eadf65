"""Standard and Advanced: what may be ordered on which day, nodes that take over, versions, what doadmin may do."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until
from tests.localcloud.test_supervision import ask, kill

ORDER = {"engine": "pg", "version": "17", "size": "db-s-1vcpu-1gb", "region": "nyc1", "num_nodes": 1}
ADVANCED = {"engine": "advanced_pg", "version": "18", "size": "db-s-2vcpu-4gb", "num_nodes": 3}


@pytest.fixture(scope="module")
def market(make_cloud: Callable[..., LocalCloud]) -> LocalCloud:
    return make_cloud()


@pytest.fixture(scope="module")
def earlier(market: LocalCloud) -> dict[str, Any]:
    """Made before anybody said what day it is."""
    return market.create_cluster("earlier")


def account(cloud: LocalCloud, **changes: Any) -> None:
    cloud.post("/_local/account", changes, 200)


def layouts(cloud: LocalCloud, engine: str) -> dict[int, list[str]]:
    found = cloud.get("/v2/databases/options")["options"][engine]["layouts"]
    return {layout["num_nodes"]: layout["sizes"] for layout in found}


def test_until_it_is_told_a_day_every_account_is_one_from_before(market: LocalCloud, earlier: dict[str, Any]) -> None:
    assert market.get("/_local/account")["account"] == {
        "today": "",
        "since": "2026-10-14",
        "replication": True,
        "subscriptions": False,
        "unavailable": {},
    }
    assert "db-s-4vcpu-8gb" in layouts(market, "pg")[3]
    options = market.get("/v2/databases/options")
    assert options["options"]["advanced_pg"]["versions"] == ["17", "18"], "16 is not installed here"
    assert options["options"]["advanced_pg"]["default_version"] == "18"
    assert layouts(market, "advanced_pg")[3] == layouts(market, "advanced_pg")[1]
    assert "db-s-1vcpu-1gb" not in layouts(market, "advanced_pg")[1]
    assert earlier["created_at"][:4] >= "2026"


@pytest.mark.parametrize(
    ("today", "since", "limited"),
    [
        ("2026-10-14", "", False),
        ("2026-10-15", "", True),
        ("2026-10-15", "2026-10-14", False),
        ("2026-11-29", "2026-10-15", True),
        ("2026-11-29", "2025-01-01", False),
        ("2026-11-30", "2025-01-01", True),
        ("2031-01-01", "", True),
    ],
)
def test_standard_is_limited_from_its_day_on(market: LocalCloud, today: str, since: str, limited: bool) -> None:
    account(market, today=today, since=since)
    sizes = layouts(market, "pg")
    expected = ["db-s-1vcpu-1gb", "db-s-1vcpu-2gb", "db-s-2vcpu-4gb"]
    assert (sizes == {1: expected}) is limited
    for change in ({"num_nodes": 2, "size": "db-s-1vcpu-2gb"}, {"size": "db-s-4vcpu-8gb"}):
        # A region that is none, so that nothing is made where the edition is fine.
        answer = market.call("POST", "/v2/databases", ORDER | {"name": "asked", "region": "nyc9"} | change)
        assert answer.status == 422
    assert len(layouts(market, "advanced_pg")) == 3
    account(market, today="", since="")


@pytest.mark.parametrize("value", ["2026-02-30", "tomorrow", 3])
def test_a_day_that_is_none_is_refused(market: LocalCloud, value: Any) -> None:
    assert market.call("POST", "/_local/account", {"today": value}).status == 422


def test_a_limited_cluster_cannot_grow_out_of_it_and_an_earlier_one_can(
    market: LocalCloud, earlier: dict[str, Any]
) -> None:
    account(market, today="2026-12-01", since="2026-01-01")
    for change in ({"num_nodes": 2, "size": "db-s-1vcpu-2gb"}, {"size": "db-s-4vcpu-8gb"}):
        answer = market.call("POST", "/v2/databases", ORDER | {"name": "never"} | change)
        assert (answer.status, "advanced_pg" in answer.message) == (422, True), answer.message
    late = market.create_cluster("late", size="db-s-2vcpu-4gb")
    path = f"/v2/databases/{late['id']}"
    assert late["created_at"].startswith("2026-12-01T")
    for body in ({"size": "db-s-4vcpu-8gb", "num_nodes": 1}, {"size": "db-s-2vcpu-4gb", "num_nodes": 2}):
        answer = market.call("PUT", f"{path}/resize", body)
        assert (answer.status, "2026-11-30" in answer.message) == (422, True)
    answer = market.call("POST", f"{path}/replicas", {"name": "reader"})
    assert (answer.status, "Read-only nodes" in answer.message) == (422, True)
    market.delete(path)
    path = f"/v2/databases/{earlier['id']}"
    market.put(f"{path}/resize", {"size": "db-s-4vcpu-8gb", "num_nodes": 2}, 202)
    grown = market.online(path, "database")
    assert ask(grown["standby_connection"]["uri"], "SELECT pg_is_in_recovery()") is True
    assert ask(grown["standby_private_connection"]["uri"], "SELECT current_setting('max_connections')") == "200"
    market.put(f"{path}/resize", {"size": "db-s-4vcpu-8gb", "num_nodes": 1}, 202)
    assert "standby_connection" not in market.online(path, "database")
    account(market, today="", since="")


def test_advanced_takes_over_when_its_primary_is_killed(market: LocalCloud) -> None:
    """Clients come back at the same address within 30 seconds, and what had reached a standby is there."""
    wrong = market.call("POST", "/v2/databases", ORDER | ADVANCED | {"name": "never", "version": "15"})
    assert (wrong.status, "Allowed: 16, 17, 18" in wrong.message) == (422, True)
    assert (
        market.call("POST", "/v2/databases", ORDER | ADVANCED | {"name": "no", "size": "db-s-1vcpu-2gb"}).status == 422
    )
    cluster = market.create_cluster("advanced", **ADVANCED)
    path = f"/v2/databases/{cluster['id']}"
    market.post(f"{path}/users", {"name": "app"})
    market.post(
        f"{path}/pools", {"name": "pool", "mode": "transaction", "size": 5, "db": "defaultdb", "user": "doadmin"}
    )
    pooled = market.get(f"{path}/pools/pool")["pool"]["connection"]["uri"]
    ways = [cluster[way]["uri"] for way in ("connection", "private_connection")] + [pooled]
    with psycopg.connect(ways[0], autocommit=True) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()"
        wait_until(lambda: session.execute(behind).fetchone() == (0,), "the standbys to catch up")
    kill(market.state / "clusters" / cluster["id"] / "data")
    began = time.monotonic()
    for uri in ways:
        wait_until(lambda uri=uri: answers(uri), "the new primary")  # type: ignore[misc]
        assert ask(uri, "SELECT answer FROM kept") == 42
    assert time.monotonic() - began < 30
    # PostgreSQL counts every promotion.
    assert ask(ways[0], "SELECT timeline_id FROM pg_control_checkpoint()") == 2
    after = market.online(path, "database")
    assert {name: after[name] for name in cluster if name.endswith("connection")} == {
        name: cluster[name] for name in cluster if name.endswith("connection")
    }
    assert [user["name"] for user in after["users"]] == ["doadmin", "app"]
    # The one that failed is a standby.
    assert ask(ways[0], "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2
    market.delete(path)


def answers(uri: str) -> bool:
    try:
        return ask(uri, "SELECT pg_is_in_recovery()") is False
    except psycopg.Error:
        return False


def test_a_promoted_replica_is_a_cluster_and_a_major_upgrade_has_no_way_back(
    market: LocalCloud, earlier: dict[str, Any]
) -> None:
    path = f"/v2/databases/{earlier['id']}"
    market.post(f"{path}/users", {"name": "app"})
    market.post(f"{path}/replicas", {"name": "reader", "tags": ["ro"]})
    replica = market.online(f"{path}/replicas/reader", "replica")
    market.put(f"{path}/replicas/reader/promote", None, 204)
    assert market.call("GET", f"{path}/replicas/reader").status == 404
    alone = f"/v2/databases/{replica['id']}"
    made = market.online(alone, "database")
    assert (made["name"], made["connection"], made["tags"]) == ("reader", replica["connection"], ["ro"])
    assert [user["name"] for user in made["users"]] == ["doadmin", "app"]
    assert ask(made["connection"]["uri"], "SELECT pg_is_in_recovery()") is False
    market.post(f"{alone}/pools", {"name": "pool", "mode": "session", "size": 2, "db": "defaultdb", "user": "app"})
    pooled = market.get(f"{alone}/pools/pool")["pool"]["connection"]["uri"]
    assert ask(pooled, "SELECT current_user") == "app"

    market.post(f"/_local{alone.removeprefix('/v2')}/backups", None)
    with psycopg.connect(made["connection"]["uri"], autocommit=True) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert market.call("PUT", f"{alone}/upgrade", {"version": "17"}).status == 422
    market.put(f"{alone}/upgrade", {"version": "18"}, 204)
    assert market.get(alone)["database"]["status"] in ("migrating", "online")
    newer = market.online(alone, "database")
    assert (newer["version"], newer["connection"]) == ("18", made["connection"])
    assert ask(newer["connection"]["uri"], "SELECT answer FROM kept") == 42
    assert ask(pooled, "SELECT current_setting('server_version_num')::int / 10000") == 18
    backups = market.call("GET", f"{alone}/backups")
    assert backups.status == 412 or backups.body["backups"][0]["created_at"] > newer["created_at"]
    assert market.call("PUT", f"{alone}/upgrade", {"version": "17"}).status == 422
    market.delete(alone)
    assert ask(earlier["connection"]["uri"], "SELECT 1") == 1


def test_what_doadmin_may_do_is_a_switch(market: LocalCloud, earlier: dict[str, Any]) -> None:
    """Logical replication from one cluster to another, by doadmin alone: refused, then allowed, then refused again."""
    other = market.create_cluster("other", version="18")
    source = other["connection"]
    with psycopg.connect(source["uri"], autocommit=True) as session:
        assert session.execute("SHOW wal_level").fetchone() == ("logical",)
        session.execute("CREATE TABLE moved (id int PRIMARY KEY)")
        session.execute("INSERT INTO moved SELECT generate_series(1, 100)")
        session.execute("CREATE PUBLICATION moving FOR TABLE moved")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    way = f"host={source['host']} port={source['port']} user=doadmin password={source['password']} dbname=defaultdb"
    subscribe = f"CREATE SUBSCRIPTION moving CONNECTION '{way} sslmode=require' PUBLICATION moving"
    with psycopg.connect(earlier["connection"]["uri"], autocommit=True) as session:
        session.execute("CREATE TABLE moved (id int PRIMARY KEY)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(subscribe)
        switch(market, subscriptions=True)
        session.execute(subscribe)
        moved = "SELECT count(*) FROM moved"
        wait_until(lambda: session.execute(moved).fetchone() == (100,), "the rows to arrive")
        session.execute("DROP SUBSCRIPTION moving")
        switch(market, subscriptions=False, replication=False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(subscribe)
        slot = "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(slot)
        switch(market, replication=True)
        session.execute(slot)
        session.execute("SELECT pg_drop_replication_slot('s')")
        session.execute("DROP TABLE moved")
    market.delete(f"/v2/databases/{other['id']}")


def switch(cloud: LocalCloud, **rights: bool) -> None:
    account(cloud, **rights)
    wait_until(lambda: cloud.get("/_local/health")["status"] == "ready", "the servers to follow")


def test_a_region_may_lack_a_size(market: LocalCloud, earlier: dict[str, Any]) -> None:
    account(market, unavailable={"db-s-6vcpu-16gb": ["nyc1"], "s-1vcpu-1gb": ["nyc2", "nyc3"]})
    try:
        for path, order in (
            ("/v2/databases", {**ORDER, "name": "larger", "size": "db-s-6vcpu-16gb"}),
            (f"/v2/databases/{earlier['id']}/replicas", {"name": "larger", "size": "db-s-6vcpu-16gb"}),
        ):
            refused = market.post(path, order, 422)
            assert refused["message"] == "size db-s-6vcpu-16gb: it is not available in nyc1."
        resized = {"size": "db-s-6vcpu-16gb", "num_nodes": 1}
        assert "not available in nyc1" in market.put(f"/v2/databases/{earlier['id']}/resize", resized, 422)["message"]
        sizes = {size["slug"]: set(size["regions"]) for size in market.get("/v2/sizes?per_page=200")["sizes"]}
        assert sizes["s-1vcpu-2gb"] - sizes["s-1vcpu-1gb"] == {"nyc2", "nyc3"}
    finally:
        account(market, unavailable={})
