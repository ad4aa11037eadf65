"""The commands of Villa's document, and those beside them, as doctl 1 sends them: method, path, query and body.

What was recorded is written anew here: doctl comes from no package, so that no run of the tests can bring it. Each test
goes on only with what doctl itself reads in the answers.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until

PAGE = "page=1&per_page=200"
NEVER = "0001-01-01T00:00:00Z"


class Doctl:
    """doctl, as far as a cluster goes."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud

    def create(self, name: str, **more: Any) -> dict[str, Any]:
        """`doctl databases create NAME … --wait`: asks, then looks again and again until it is online."""
        asked: dict[str, Any] = {
            "name": name,
            "engine": "pg",
            "version": "17",
            "size": "db-s-1vcpu-1gb",
            "region": "nyc1",
        }
        asked |= {"num_nodes": 1, "private_network_uuid": "", "project_id": "", "rules": None}
        made = self.cloud.post("/v2/databases", asked | more)["database"]
        assert made["connection"]["host"] and made["connection"]["port"], "it prints the URI of the first answer"
        wait_until(lambda: self.get(made["id"])["status"] == "online", f"{name} to be online")
        assert self.get(made["id"])["connection"] == made["connection"]
        return self.get(made["id"])

    def get(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.get(f"/v2/databases/{id}")["database"]
        return found

    def append(self, id: str, kind: str, value: str) -> int:
        """`doctl databases firewalls append ID --rule KIND:VALUE`: the new rule before those that are there."""
        path = f"/v2/databases/{id}/firewall"
        new = {"uuid": "", "cluster_uuid": id, "type": kind, "value": value, "created_at": NEVER}
        status: int = self.cloud.call("PUT", path, {"rules": [new, *self.cloud.get(path)["rules"]]}).status
        return status

    def rules(self, id: str) -> list[tuple[str, str]]:
        return [(rule["type"], rule["value"]) for rule in self.cloud.get(f"/v2/databases/{id}/firewall")["rules"]]


@pytest.fixture(scope="module")
def doctl(make_cloud: Callable[..., LocalCloud]) -> Doctl:
    return Doctl(make_cloud())


@pytest.fixture(scope="module")
def villa(doctl: Doctl) -> dict[str, Any]:
    """`doctl databases create villa-db --engine pg --version 17 --size … --private-network-uuid …`"""
    vpc = doctl.cloud.post("/v2/vpcs", {"name": "villa", "region": "nyc1", "ip_range": "10.10.0.0/16"})["vpc"]
    return doctl.create("villa-db", private_network_uuid=vpc["id"])


def asks(uri: str, statement: str = "SELECT current_user") -> Any:
    with psycopg.connect(uri, connect_timeout=30) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def test_create_waits_and_connection_leads_there(doctl: Doctl, villa: dict[str, Any]) -> None:
    assert asks(doctl.get(villa["id"])["connection"]["uri"]) == "doadmin"
    assert doctl.cloud.call("GET", "/v2/databases/villa-db").status == 404, "a name is no id there either"
    listed = doctl.cloud.get(f"/v2/databases?{PAGE}")["databases"]
    assert [item["name"] for item in listed] == ["villa-db"]


def test_firewalls_append(doctl: Doctl, villa: dict[str, Any]) -> None:
    id = villa["id"]
    assert doctl.append(id, "ip_addr", "10.10.0.0/16") == 204
    assert doctl.append(id, "app", "11111111-1111-4111-8111-111111111111") == 204
    kept = [("app", "11111111-1111-4111-8111-111111111111"), ("ip_addr", "10.10.0.0/16")]
    assert doctl.rules(id) == kept
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        asks(villa["connection"]["uri"])
    assert doctl.append(id, "vpc", villa["private_network_uuid"]) == 422, "DigitalOcean has no such rule"
    assert doctl.rules(id) == kept
    assert doctl.append(id, "ip_addr", "127.0.0.1") == 204
    assert asks(villa["connection"]["uri"]) == "doadmin"


def test_users_databases_and_pools(doctl: Doctl, villa: dict[str, Any]) -> None:
    path = f"/v2/databases/{villa['id']}"
    created = doctl.cloud.post(f"{path}/users", {"name": "villa_app"})["user"]
    doctl.cloud.post(f"{path}/dbs", {"name": "villa"})
    assert [item["name"] for item in doctl.cloud.get(f"{path}/dbs?{PAGE}")["dbs"]] == ["defaultdb", "villa"]
    asked = {"user": "villa_app", "name": "villa-pool", "size": 10, "db": "villa", "mode": "transaction"}
    uri = doctl.cloud.post(f"{path}/pools", asked)["pool"]["connection"]["uri"]
    assert asks(uri) == "villa_app"

    reset = doctl.cloud.post(f"{path}/users/villa_app/reset_auth", None, 200)["user"]
    assert reset["password"] != created["password"]
    with pytest.raises(psycopg.OperationalError):
        asks(uri)
    (pool,) = doctl.cloud.get(f"{path}/pools?{PAGE}")["pools"]
    assert asks(pool["connection"]["uri"]) == "villa_app"
    administrator = doctl.cloud.post(f"{path}/users/doadmin/reset_auth", None, 200)["user"]
    now = doctl.get(villa["id"])["connection"]
    assert now["password"] == administrator["password"] != villa["connection"]["password"]
    assert asks(now["uri"]) == "doadmin"

    # `pool update --size 12` sends no user, and a pool without one takes whoever connects.
    doctl.cloud.put(f"{path}/pools/villa-pool", {"size": 12, "db": "villa", "mode": "transaction"}, 204)
    changed = doctl.cloud.get(f"{path}/pools/villa-pool")["pool"]
    assert (changed["size"], "user" in changed) == (12, False)
    doctl.cloud.delete(f"{path}/pools/villa-pool")


def test_backups_fork_and_a_restore_to_a_moment(doctl: Doctl, villa: dict[str, Any]) -> None:
    path = f"/v2/databases/{villa['id']}"
    doctl.cloud.post(f"/_local{path.removeprefix('/v2')}/backups", None)
    (backup, *_) = doctl.cloud.get(f"{path}/backups?{PAGE}")["backups"]
    assert backup["size_gigabytes"] > 0
    uri = doctl.get(villa["id"])["connection"]["uri"]
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE TABLE profiles AS SELECT 1 AS id")
        time.sleep(1.1)
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        time.sleep(1.1)
        connection.execute("INSERT INTO profiles VALUES (2)")
    count = "SELECT count(*) FROM profiles"

    whole = {"project_id": villa["project_id"], "private_network_uuid": villa["private_network_uuid"]}
    fork = doctl.create(
        "villa-fork", backup_restore={"database_name": "villa-db", "backup_created_at": moment}, **whole
    )
    assert asks(fork["connection"]["uri"], count) == 1
    assert asks(uri, count) == 2
    restored = doctl.create("temp-restore", backup_restore={"database_name": "villa-db"})
    assert restored["connection"]["password"] != fork["connection"]["password"]
    for id in (fork["id"], restored["id"]):
        doctl.cloud.delete(f"/v2/databases/{id}")


def test_apps_create_and_update_wait(doctl: Doctl, villa: dict[str, Any]) -> None:
    """`--wait` follows the deployment that the answer calls pending, and then asks for the app."""
    spec = {
        "name": "villa",
        "region": "nyc",
        "services": [
            {
                "name": "api",
                "image": {"registry_type": "DOCKER_HUB", "registry": "villa", "repository": "api", "tag": "1"},
                "envs": [{"key": "DATABASE_URL", "value": "${villa-db.DATABASE_URL}", "scope": "RUN_TIME"}],
                "instance_size_slug": "apps-s-1vcpu-0.5gb",
                "instance_count": 1,
                "http_port": 3000,
            }
        ],
        "databases": [{"name": "villa-db", "engine": "PG", "production": True, "cluster_name": villa["name"]}],
    }
    proposed = doctl.cloud.post("/v2/apps/propose", {"spec": spec, "app_id": ""}, 200)
    assert (proposed["app_cost"], proposed["app_name_available"]) == (5, True)

    def waited(app: dict[str, Any]) -> dict[str, Any]:
        path = f"/v2/apps/{app['id']}"
        pending = app["pending_deployment"]["id"]
        assert "active_deployment" not in app or app["active_deployment"]["id"] != pending
        progress = doctl.cloud.get(f"{path}/deployments/{pending}")["deployment"]["progress"]
        assert progress["success_steps"] == progress["total_steps"]
        found: dict[str, Any] = doctl.cloud.get(path)["app"]
        assert found["active_deployment"]["id"] == pending
        return found

    app = waited(doctl.cloud.post("/v2/apps", {"spec": spec}, 200)["app"])
    waited(doctl.cloud.put(f"/v2/apps/{app['id']}", {"spec": spec}, 200)["app"])
    doctl.cloud.post(f"/v2/apps/{app['id']}/deployments", {"force_build": False}, 200)
    again = doctl.cloud.post(f"/v2/apps/{app['id']}/restart", {"components": []}, 200)["deployment"]
    assert again["cause"] == "restart"
    causes = [item["cause"] for item in doctl.cloud.get(f"/v2/apps/{app['id']}/deployments?{PAGE}")["deployments"]]
    assert causes == ["restart", "manual", "app spec updated", "manual"]
    logs = f"/v2/apps/{app['id']}/deployments/{again['id']}/logs?type=RUN&follow=false&tail_lines=-1"
    assert doctl.cloud.call("GET", logs).status == 501


def test_monitoring_alert_create(doctl: Doctl, villa: dict[str, Any]) -> None:
    asked = {
        "type": "v1/dbaas/alerts/cpu_alerts",
        "description": "",
        "compare": "GreaterThan",
        "value": 80,
        "window": "5m",
        "entities": [villa["id"]],
        "tags": [],
        "alerts": {"slack": [], "email": ["ops@villa.cash"]},
        "enabled": True,
    }
    made = doctl.cloud.post("/v2/monitoring/alerts", asked, 200)["policy"]
    assert doctl.cloud.get(f"/v2/monitoring/alerts?{PAGE}")["policies"] == [made]
    # What the document also has, and DigitalOcean has not.
    assert (
        doctl.cloud.call("POST", "/v2/monitoring/alerts", asked | {"type": "v1/insights/database/connections"}).status
        == 422
    )


def test_what_else_is_asked_of_a_cluster(doctl: Doctl, villa: dict[str, Any]) -> None:
    path = f"/v2/databases/{villa['id']}"
    doctl.cloud.put(f"{path}/maintenance", {"day": "sunday", "hour": "04:00"}, 204)
    assert doctl.get(villa["id"])["maintenance_window"]["hour"] == "04:00:00"
    assert doctl.cloud.call("PATCH", f"{path}/config", {"config": {"work_mem": 8}}).status == 200
    assert doctl.cloud.get(f"{path}/config")["config"]["work_mem"] == 8
    doctl.cloud.put(f"{path}/autoscale", {"storage": {"enabled": False}}, 204)
    assert doctl.cloud.get(f"{path}/autoscale")["storage"] == {"enabled": False}
    asked = {"name": "read1", "region": "nyc1", "size": "db-s-1vcpu-1gb", "private_network_uuid": ""}
    replica = doctl.cloud.post(f"{path}/replicas", asked)["replica"]
    assert replica["connection"]["port"]
    doctl.cloud.online(f"{path}/replicas/read1", "replica")
    assert asks(replica["connection"]["uri"], "SELECT pg_is_in_recovery()") is True
    doctl.cloud.put(f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, 202)
    wait_until(lambda: doctl.get(villa["id"])["status"] == "online", "the resize")
    assert asks(doctl.get(villa["id"])["connection"]["uri"], "SHOW max_connections") == "50"
    doctl.cloud.delete(f"{path}/replicas/read1")
