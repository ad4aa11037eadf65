"""Backups, and clusters restored from them, by the API."""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud


@pytest.fixture(scope="module")
def shop(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    """A cluster with a backup, a user and a table that was filled and dropped after it."""
    made = cloud.create_cluster("shop")
    path = f"/v2/databases/{made['id']}"
    refused = cloud.call("GET", f"{path}/backups")
    assert (refused.status, "does not have any backups" in refused.message) == (412, True)
    order = {"backup_restore": {"database_name": "shop"}}
    assert cloud.call("POST", "/v2/databases", copy_of(made) | order).status == 412
    cloud.post(f"{path}/users", {"name": "app"})
    cloud.post(f"{path}/dbs", {"name": "orders"})
    with opened(made["connection"]) as session:
        session.execute("CREATE TABLE kept (id int)")
        backup = cloud.post(f"/_local{path.removeprefix('/v2')}/backups", None)["backup"]
        session.execute("INSERT INTO kept VALUES (1)")
        (moment,) = session.execute("SELECT clock_timestamp()").fetchone() or (None,)
        session.execute("SELECT pg_sleep(0.01)")
        session.execute("DROP TABLE kept")
    cloud.post(f"{path}/users", {"name": "hired-later"})
    cloud.post(f"{path}/dbs", {"name": "made_later"})
    old = cloud.get(path)["database"]
    cloud.post(f"{path}/users/app/reset_auth", {}, 200)
    yield {**cloud.get(path)["database"], "backup": backup, "moment": moment, "old": old}
    cloud.delete(path)


def copy_of(cluster: dict[str, Any]) -> dict[str, Any]:
    same = {key: cluster[key] for key in ("engine", "version", "size", "region", "num_nodes")}
    return same | {"name": f"{cluster['name']}-copy"}


def opened(way_in: dict[str, Any]) -> psycopg.Connection[Any]:
    return psycopg.connect(way_in["uri"], connect_timeout=60, autocommit=True)


def user(cluster: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in cluster["users"] if item["name"] == name)
    return found


def test_backups_are_listed(cloud: LocalCloud, shop: dict[str, Any]) -> None:
    listed = cloud.get(f"/v2/databases/{shop['id']}/backups")
    # The first of the day may have come too.
    assert shop["backup"] in listed["backups"]
    created_at = datetime.fromisoformat(shop["backup"]["created_at"])
    assert abs(created_at - shop["moment"]).total_seconds() < 300
    assert listed["scheduled_backup_time"] == {
        "backup_hour": created_at.hour,
        "backup_minute": created_at.minute,
        "backup_interval_hours": 24,
    }


def test_a_moment_comes_back_with_its_users_and_databases(cloud: LocalCloud, shop: dict[str, Any]) -> None:
    restore = {"database_name": "shop", "backup_created_at": shop["moment"].isoformat()}
    made = cloud.post("/v2/databases", copy_of(shop) | {"backup_restore": restore})["database"]
    assert made["status"] == "forking"
    path = f"/v2/databases/{made['id']}"
    copy = cloud.online(path, "database")
    assert copy["id"] != shop["id"]
    assert copy["connection"]["password"] == made["connection"]["password"] != shop["connection"]["password"]
    with opened(copy["connection"]) as session:
        assert session.execute("SELECT count(*) FROM kept").fetchone() == (1,)
        session.execute("CREATE TABLE of_the_copy (id int)")
    assert [item["name"] for item in copy["users"]] == ["doadmin", "app"]
    assert sorted(copy["db_names"]) == ["defaultdb", "orders"]
    assert user(copy, "app")["password"] == user(shop, "app")["password"] != user(shop["old"], "app")["password"]
    app = copy["connection"] | {"user": "app", "password": user(copy, "app")["password"]}
    with psycopg.connect(
        host=app["host"], port=app["port"], dbname="orders", user="app", password=app["password"], sslmode="require"
    ) as session:
        assert session.execute("SELECT current_user").fetchone() == ("app",)
    with opened(shop["connection"]) as session:
        assert session.execute("SELECT to_regclass('of_the_copy'), to_regclass('kept')").fetchone() == (None, None)
    cloud.delete(path)


@pytest.mark.parametrize("given", [{}, {"backup_created_at": ""}, {"backup_created_at": "of the backup"}])
def test_a_backup_comes_back(cloud: LocalCloud, shop: dict[str, Any], given: dict[str, str]) -> None:
    if given.get("backup_created_at"):
        given = {"backup_created_at": shop["backup"]["created_at"]}
    order = copy_of(shop) | {"backup_restore": {"database_name": "shop", **given}}
    made = cloud.post("/v2/databases", order)["database"]
    copy = cloud.online(f"/v2/databases/{made['id']}", "database")
    with opened(copy["connection"]) as session:
        assert session.execute("SELECT to_regclass('kept') IS NOT NULL").fetchone() == (True,)
    cloud.delete(f"/v2/databases/{made['id']}")


@pytest.mark.parametrize(
    ("restore", "change", "complaint"),
    [
        ({"database_name": "nothing"}, {}, "There are: "),
        ({"backup_created_at": "yesterday"}, {}, "Write it like"),
        ({"backup_created_at": "2020-01-01T00:00:00Z"}, {}, "Allowed: "),
        ({"backup_created_at": "2999-01-01T00:00:00Z"}, {}, "Allowed: "),
        ({}, {"version": "15"}, "needs its own, PostgreSQL 17"),
        ({}, {"engine": "valkey", "version": "8"}, "needs its own, PostgreSQL 17"),
    ],
)
def test_what_cannot_be_restored_is_refused(
    cloud: LocalCloud, shop: dict[str, Any], restore: dict[str, str], change: dict[str, str], complaint: str
) -> None:
    order = copy_of(shop) | {"backup_restore": {"database_name": "shop"} | restore} | change
    answer = cloud.call("POST", "/v2/databases", order)
    assert (answer.status, complaint in answer.message) == (422, True), answer.message
    assert "shop-copy" not in [item["name"] for item in cloud.get("/v2/databases?per_page=200")["databases"]]


def test_a_restore_that_was_cut_off_is_finished_at_the_next_start(
    make_cloud: Callable[..., LocalCloud], tmp_path: Path
) -> None:
    cloud = make_cloud()
    first = cloud.create_cluster("first")
    with opened(first["connection"]) as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS id")
    cloud.post(f"/_local/databases/{first['id']}/backups", None)
    cloud.post("/_local/faults", {"fault": "stuck", "path": "/v2/databases$", "method": "POST"})
    made = cloud.post("/v2/databases", copy_of(first) | {"backup_restore": {"database_name": "first"}})["database"]
    cloud.stop()
    cloud.start()
    copy = cloud.online(f"/v2/databases/{made['id']}", "database")
    (tmp_path / "ca.pem").write_bytes(base64.b64decode(cloud.ca(made["id"])))
    strict = copy["connection"]["uri"].replace("require", f"verify-full&sslrootcert={tmp_path / 'ca.pem'}")
    with psycopg.connect(strict, connect_timeout=60) as session:
        assert session.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    assert [backup["created_at"] for backup in cloud.get(f"/v2/databases/{first['id']}/backups")["backups"]]
