"""Delays, limits and alerts, on a local cloud whose minutes are short."""

import json
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until
from tests.localcloud.receivers import web
from tests.localcloud.test_clusters import ORDER

PACE = 0.01


@pytest.fixture(scope="module")
def hurried(make_cloud: Callable[..., LocalCloud]) -> LocalCloud:
    return make_cloud(LOCALCLOUD_PACE=str(PACE), LOCALCLOUD_RATE_LIMITS="1")


@pytest.fixture(scope="module")
def slow_cluster(hurried: LocalCloud) -> dict[str, Any]:
    return hurried.create_cluster("watched")


def mail(cloud: LocalCloud) -> list[dict[str, str]]:
    done = cloud.command("mail", "--json")
    assert done.returncode == 0, done.stderr
    letters: list[dict[str, str]] = json.loads(done.stdout)
    return letters


def test_a_cluster_takes_its_time(hurried: LocalCloud) -> None:
    began = time.monotonic()
    made = hurried.post("/v2/databases", ORDER | {"name": "slow"})["database"]
    path = f"/v2/databases/{made['id']}"
    hurried.online(path, "database")
    assert time.monotonic() - began >= 300 * PACE
    began = time.monotonic()
    hurried.put(f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, 202)
    assert hurried.get(path)["database"]["status"] == "resizing"
    hurried.online(path, "database")
    assert time.monotonic() - began >= 480 * PACE
    with psycopg.connect(made["connection"]["uri"]) as session:
        assert session.execute("SHOW max_connections").fetchone() == ("50",)
    hurried.delete(path)


def test_a_deployment_takes_its_time(hurried: LocalCloud) -> None:
    service = {"name": "web", "image": {"registry_type": "DOCKER_HUB", "repository": "nginx"}}
    began = time.monotonic()
    app = hurried.post("/v2/apps", {"spec": {"name": "slow-app", "services": [service]}}, 200)["app"]
    path = f"/v2/apps/{app['id']}"

    def live() -> bool:
        return "active_deployment" in hurried.get(path)["app"]

    wait_until(live, "the deployment to end")
    assert time.monotonic() - began >= 120 * PACE
    hurried.delete(path, 200)


def test_an_alert_is_told_by_mail_and_webhook_and_resolved(hurried: LocalCloud, slow_cluster: dict[str, Any]) -> None:
    with web() as (port, requests):
        told = {
            "email": ["owner@localcloud.test"],
            "slack": [{"channel": "#db", "url": f"http://127.0.0.1:{port}/hook"}],
        }
        policy = {
            "type": "v1/dbaas/alerts/disk_utilization_alerts",
            "description": "disk",
            "compare": "GreaterThan",
            "value": 0.01,
            "window": "5m",
            "entities": [slow_cluster["id"]],
            "alerts": told,
        }
        made = hurried.post("/v2/monitoring/alerts", policy, 200)["policy"]
        wait_until(lambda: bool(requests), "the alert")
        assert requests[0]["body"]["channel"] == "#db"
        assert requests[0]["body"]["text"].startswith("Triggered: disk of watched\n")
        letters = [letter for letter in mail(hurried) if "disk of watched" in letter["subject"]]
        assert [(letter["to"], letter["subject"]) for letter in letters] == [
            ("owner@localcloud.test", "Triggered: disk of watched")
        ]
        hurried.put(f"/v2/monitoring/alerts/{made['uuid']}", policy | {"value": 99}, 200)
        wait_until(lambda: len(requests) == 2, "the end of the alert")
        assert requests[1]["body"]["text"].startswith("Resolved: disk of watched\n")
        hurried.delete(f"/v2/monitoring/alerts/{made['uuid']}")


def test_a_check_really_asks_and_tells(hurried: LocalCloud) -> None:
    with web() as (port, requests):
        check = {"name": "site", "type": "http", "target": f"http://127.0.0.1:{port}/health"}
        made = hurried.post("/v2/uptime/checks", check)["check"]
        path = f"/v2/uptime/checks/{made['id']}"
        notify = {"email": ["ops@villa.test"], "slack": []}
        hurried.post(f"{path}/alerts", {"name": "down", "type": "down", "period": "2m", "notifications": notify})
        wait_until(lambda: any(request["path"] == "/health" for request in requests), "a request")
        hurried.put(path, check | {"target": f"http://127.0.0.1:{port}/broken"}, 200)

        def subjects() -> list[str]:
            return [letter["subject"].partition(":")[0] for letter in mail(hurried) if letter["to"] == "ops@villa.test"]

        wait_until(lambda: subjects() == ["Triggered"], "the alert")
        hurried.put(path, check, 200)
        wait_until(lambda: subjects() == ["Triggered", "Resolved"], "its end")
        hurried.delete(path)


def test_nothing_far_away_is_called(hurried: LocalCloud, slow_cluster: dict[str, Any]) -> None:
    far = [{"channel": "#x", "url": "https://hooks.villa.test/x"}]
    policy = {
        "type": "v1/dbaas/alerts/memory_utilization_alerts",
        "description": "far",
        "compare": "GreaterThan",
        "value": 0.01,
        "window": "5m",
        "entities": [slow_cluster["id"]],
        "alerts": {"email": [], "slack": far},
    }
    made = hurried.post("/v2/monitoring/alerts", policy, 200)["policy"]

    def kept() -> list[str]:
        return [letter["text"] for letter in mail(hurried) if letter["to"] == far[0]["url"]]

    wait_until(lambda: bool(kept()), "the alert")
    assert "is not on this machine, and nothing else is called" in kept()[0]
    hurried.delete(f"/v2/monitoring/alerts/{made['uuid']}")


def test_options_of_the_command_hold_too(make_cloud: Callable[..., LocalCloud]) -> None:
    paced = make_cloud()
    paced.stop()
    wrong = paced.command("start", "--pace", "fast")
    assert (wrong.returncode, "LOCALCLOUD_PACE" in wrong.stderr) == (1, True)
    done = paced.command("start", "--pace", "1")
    assert done.returncode == 0, done.stderr
    service = {"name": "web", "image": {"registry_type": "DOCKER_HUB", "repository": "nginx"}}
    app = paced.post("/v2/apps", {"spec": {"name": "paced", "services": [service]}}, 200)["app"]
    assert "pending_deployment" in paced.get(f"/v2/apps/{app['id']}")["app"], "it takes two minutes"


def test_calls_above_the_limit_of_a_minute_are_refused(make_cloud: Callable[..., LocalCloud]) -> None:
    limited = make_cloud(LOCALCLOUD_RATE_LIMITS="1")
    answers = [limited.call("GET", "/v2/account") for _ in range(600)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused, "600 calls are above 250 a minute, wherever the minutes begin"
    assert refused[0].body["id"] == "too_many_requests"
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60
    assert limited.call("GET", "/_local/health").status == 200
