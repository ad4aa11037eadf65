"""Alert policies and uptime checks."""

from typing import Any

import pytest

from tests.localcloud.cloud import LocalCloud

POLICIES = "/v2/monitoring/alerts"
CHECKS = "/v2/uptime/checks"


def policy(cluster: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "type": "v1/dbaas/alerts/cpu_alerts",
        "description": "CPU",
        "compare": "GreaterThan",
        "value": 80,
        "window": "5m",
        "entities": [cluster["id"]],
        "tags": [],
        "alerts": {"email": ["ops@villa.test"], "slack": []},
        "enabled": True,
    } | changes


def test_a_policy_is_kept_and_changed(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    made = cloud.post(POLICIES, policy(cluster), 200)["policy"]
    path = f"{POLICIES}/{made['uuid']}"
    assert cloud.get(path)["policy"] == made == policy(cluster) | {"uuid": made["uuid"], "value": 80.0}
    slack = {"email": [], "slack": [{"channel": "ops", "url": "https://hooks.slack.test/x"}]}
    changed = cloud.put(path, policy(cluster, value=90.5, window="1h", alerts=slack), 200)["policy"]
    assert (changed["value"], changed["window"], changed["alerts"]) == (90.5, "1h", slack)
    assert [item["uuid"] for item in cloud.get(POLICIES)["policies"]] == [made["uuid"]]
    cloud.delete(path)
    assert cloud.call("GET", path).status == 404


def test_optional_parts_of_a_policy_may_be_null(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    alerts = {"email": ["ops@villa.test"], "slack": None}
    made = cloud.post(POLICIES, policy(cluster, tags=None, alerts=alerts), 200)["policy"]
    assert (made["tags"], made["alerts"]["slack"]) == ([], [])
    cloud.delete(f"{POLICIES}/{made['uuid']}")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"type": "v1/dbaas/alerts/connections_alerts"}, "there is no such alert"),
        ({"entities": ["5a4981aa-9653-4bd1-bef5-d6bff52042e4"]}, "no database cluster"),
        ({"window": "7m"}, "window"),
        ({"compare": "Equal"}, "compare"),
        ({"alerts": {"email": [], "slack": []}}, "at least one"),
        ({"alerts": {"email": ["nobody"]}}, "not an email address"),
        ({"value": "high"}, "value"),
    ],
)
def test_a_wrong_policy_is_refused(
    cloud: LocalCloud, cluster: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    answer = cloud.call("POST", POLICIES, policy(cluster, **change))
    assert (answer.status, complaint in answer.message) == (422, True), answer.message


def test_uptime_checks_and_their_alerts(cloud: LocalCloud) -> None:
    body = {"name": "site", "target": "https://villa.test/health", "type": "https", "regions": ["us_east", "eu_west"]}
    check = cloud.post(CHECKS, body)["check"]
    path = f"{CHECKS}/{check['id']}"
    assert check == body | {"id": check["id"], "enabled": True}
    assert cloud.put(path, body | {"name": "renamed"}, 200)["check"]["name"] == "renamed"
    notify = {"email": ["ops@villa.test"], "slack": []}
    alert_body = {"name": "down", "type": "down", "period": "2m", "notifications": notify}
    alert = cloud.post(f"{path}/alerts", alert_body)["alert"]
    assert alert == alert_body | {"id": alert["id"]}
    slow = alert_body | {"type": "latency", "threshold": 300, "comparison": "greater_than"}
    assert cloud.put(f"{path}/alerts/{alert['id']}", slow, 200)["alert"]["threshold"] == 300
    assert len(cloud.get(f"{path}/alerts")["alerts"]) == 1
    cloud.delete(f"{path}/alerts/{alert['id']}")
    assert cloud.call("GET", f"{path}/alerts/{alert['id']}").status == 404
    second = cloud.post(f"{path}/alerts", alert_body)["alert"]
    cloud.delete(path)
    for gone in (path, f"{path}/alerts/{second['id']}"):
        assert cloud.call("GET", gone).status == 404


@pytest.mark.parametrize("wrong", [{"target": "villa.test"}, {"type": "gopher"}, {"regions": ["mars"]}])
def test_a_wrong_check_is_refused(cloud: LocalCloud, wrong: dict[str, Any]) -> None:
    body = {"name": "site", "target": "https://villa.test", "type": "https"} | wrong
    assert cloud.call("POST", CHECKS, body).status == 422
