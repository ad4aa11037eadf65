"""Apps: what a spec must be, what comes back, how variables are bound, how secrets are kept."""

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def database(cloud: LocalCloud, cluster: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The user "web" of the database "site", and a pool."""
    path = f"/v2/databases/{cluster['id']}"
    cloud.post(f"{path}/dbs", {"name": "site"})
    user = cloud.post(f"{path}/users", {"name": "web"})["user"]
    cloud.post(f"{path}/pools", {"name": "front", "mode": "transaction", "size": 3, "db": "site", "user": "web"})
    yield user
    cloud.delete(f"{path}/pools/front")
    cloud.delete(f"{path}/users/web")
    cloud.delete(f"{path}/dbs/site")


def variable(key: str, value: str, type: str = "GENERAL", scope: str = "RUN_TIME") -> dict[str, str]:
    return {"key": key, "value": value, "type": type, "scope": scope}


def spec_of(**changes: Any) -> Spec:
    service = {
        "name": "web",
        "image": {"registry_type": "DOCKER_HUB", "registry": "library", "repository": "nginx", "tag": "1"},
        "http_port": 3000,
        "instance_count": 2,
        "instance_size_slug": "apps-s-1vcpu-0.5gb",
        "health_check": {"http_path": "/health"},
        "envs": [variable("MODE", "production")],
    }
    attached = {
        "name": "db",
        "engine": "PG",
        "version": "17",
        "production": True,
        "cluster_name": "shared",
        "db_name": "site",
        "db_user": "web",
    }
    spec = {"name": "site", "region": "nyc", "services": [service], "databases": [attached]}
    return spec | changes


def with_envs(*envs: dict[str, str]) -> Spec:
    spec = spec_of()
    spec["services"][0]["envs"] = list(envs)
    return spec


@pytest.fixture
def deploy(cloud: LocalCloud, database: dict[str, Any]) -> Iterator[Callable[[Spec], dict[str, Any]]]:
    made: list[str] = []

    def create(spec: Spec) -> dict[str, Any]:
        made.append(cloud.post("/v2/apps", {"spec": spec}, 200)["app"]["id"])
        app: dict[str, Any] = cloud.get(f"/v2/apps/{made[-1]}")["app"]
        return app

    yield create
    for app_id in made:
        cloud.delete(f"/v2/apps/{app_id}", 200)


Deploy = Callable[[Spec], dict[str, Any]]


def test_the_spec_comes_back_as_it_was_sent_except_for_the_ingress(cloud: LocalCloud, deploy: Deploy) -> None:
    sent = spec_of()
    app = deploy(sent)
    shown = cloud.get(f"/v2/apps/{app['id']}")["app"]
    rules = [{"match": {"path": {"prefix": "/"}}, "component": {"name": "web"}}]
    assert shown["spec"] == sent | {"ingress": {"rules": rules}}
    assert shown["live_url"] == shown["default_ingress"] == f"https://{shown['live_domain']}"
    assert shown["live_domain"].startswith("site-")
    assert shown["live_domain"].endswith(".ondigitalocean.app")
    cloud.put(f"/v2/apps/{app['id']}", {"spec": shown["spec"]}, 200)
    again = cloud.get(f"/v2/apps/{app['id']}")["app"]
    assert again["spec"] == shown["spec"]
    assert again["live_url"] == shown["live_url"]
    assert app["id"] in [item["id"] for item in cloud.get("/v2/apps")["apps"]]


def test_a_service_without_a_port_gets_8080(deploy: Deploy) -> None:
    spec = spec_of()
    del spec["services"][0]["http_port"]
    assert deploy(spec)["spec"]["services"][0]["http_port"] == 8080


def test_deployments_succeed_and_are_listed_newest_first(cloud: LocalCloud, deploy: Deploy) -> None:
    app = deploy(spec_of())
    path = f"/v2/apps/{app['id']}/deployments"
    first = cloud.get(f"{path}/{app['active_deployment']['id']}")["deployment"]
    assert (first["phase"], first["progress"]["error_steps"]) == ("ACTIVE", 0)
    assert [step["status"] for step in first["progress"]["steps"]] == ["SUCCESS"]
    second = cloud.post(path, {"force_build": True}, 200)["deployment"]
    assert [item["id"] for item in cloud.get(path)["deployments"]] == [second["id"], first["id"]]
    assert cloud.get(f"{path}/{first['id']}")["deployment"]["phase"] == "SUPERSEDED"
    assert cloud.get(f"/v2/apps/{app['id']}")["app"]["active_deployment"]["id"] == second["id"]
    assert cloud.call("GET", f"{path}/none").status == 404


def test_a_deployment_is_pending_in_the_answer_that_begins_it(cloud: LocalCloud, deploy: Deploy) -> None:
    """By its id clients wait, and they wait until all steps have succeeded."""
    app = deploy(spec_of())
    path = f"/v2/apps/{app['id']}"
    answer = cloud.put(path, {"spec": app["spec"]}, 200)["app"]
    pending = answer["pending_deployment"]
    assert (pending["phase"], pending["progress"]["success_steps"]) == ("PENDING_BUILD", 0)
    assert answer["active_deployment"]["id"] == app["active_deployment"]["id"]
    ended = cloud.get(f"{path}/deployments/{pending['id']}")["deployment"]["progress"]
    assert (ended["success_steps"], ended["total_steps"]) == (1, 1)
    now = cloud.get(path)["app"]
    assert (now["active_deployment"]["id"], "pending_deployment" in now) == (pending["id"], False)
    restarted = cloud.post(f"{path}/restart", {}, 200)["deployment"]
    assert restarted["cause"] == "restart"
    assert cloud.get(path)["app"]["active_deployment"]["id"] == restarted["id"]
    assert cloud.call("GET", f"{path}/deployments/{pending['id']}/logs?type=RUN").status == 501


def test_a_service_with_internal_ports_alone_has_no_http_port(deploy: Deploy) -> None:
    spec = spec_of()
    del spec["services"][0]["http_port"]
    spec["services"][0]["internal_ports"] = [5000]
    shown = deploy(spec)["spec"]
    assert "http_port" not in shown["services"][0]
    assert "ingress" not in shown, "nothing of it is public"


def test_dedicated_addresses_are_had_while_the_spec_asks_for_them(cloud: LocalCloud, deploy: Deploy) -> None:
    app = deploy(spec_of(egress={"type": "DEDICATED_IP"}))
    assert [item["status"] for item in app["dedicated_ips"]] == ["ASSIGNED", "ASSIGNED"]
    assert cloud.get(f"/v2/apps/{app['id']}")["app"]["dedicated_ips"] == app["dedicated_ips"]
    assert "dedicated_ips" not in cloud.put(f"/v2/apps/{app['id']}", {"spec": spec_of()}, 200)["app"]


def test_what_can_be_ordered_and_what_it_would_cost(cloud: LocalCloud, deploy: Deploy) -> None:
    regions = {region["slug"]: region for region in cloud.get("/v2/apps/regions")["regions"]}
    assert (regions["nyc"]["label"], regions["nyc"]["data_centers"]) == ("New York", ["nyc1", "nyc2", "nyc3"])
    sizes = cloud.get("/v2/apps/tiers/instance_sizes")["instance_sizes"]
    shared = next(size for size in sizes if size["slug"] == "apps-s-1vcpu-1gb")
    assert (shared["cpu_type"], shared["cpus"], shared["memory_bytes"]) == ("SHARED", "1", "1073741824")
    assert cloud.get("/v2/apps/tiers/instance_sizes/apps-s-1vcpu-1gb")["instance_size"] == shared
    assert cloud.call("GET", "/v2/apps/tiers/instance_sizes/huge").status == 404
    proposed = cloud.post("/v2/apps/propose", {"spec": spec_of()}, 200)
    assert (proposed["app_cost"], proposed["app_name_available"], proposed["app_is_static"]) == (10, True, False)
    assert cloud.get("/v2/apps")["meta"]["total"] == 0
    app = deploy(spec_of())
    taken = cloud.post("/v2/apps/propose", {"spec": spec_of()}, 200)
    assert (taken["app_name_available"], taken["app_name_suggestion"].startswith("site-")) == (False, True)
    assert cloud.post("/v2/apps/propose", {"spec": spec_of(), "app_id": app["id"]}, 200)["app_name_available"] is True
    assert cloud.call("POST", "/v2/apps/propose", {"spec": spec_of(name="X")}).status == 422


def test_bindable_variables_lead_to_the_real_database(
    cloud: LocalCloud,
    deploy: Deploy,
    cluster: dict[str, Any],
    database: dict[str, Any],
    connect: Callable[..., psycopg.Connection[Any]],
) -> None:
    pool_port = cloud.get(f"/v2/databases/{cluster['id']}/pools/front")["pool"]["connection"]["port"]
    pooled = f"postgresql://${{db.USERNAME}}:${{db.PASSWORD}}@127.0.0.2:{pool_port}/front?sslmode=require"
    deploy(
        with_envs(
            variable("POOLED", pooled),
            variable("DIRECT", "${db.DATABASE_URL}"),
            variable("NAMED_POOL", "${db.front.DATABASE_URL}"),
            variable("CA", "${db.CA_CERT}"),
            variable("WHERE", "${APP_URL}/${web.PRIVATE_PORT}"),
            variable("INDIRECT", "${WHERE}!"),
            variable("BUILD", "x", scope="BUILD_TIME"),
        )
    )
    done = cloud.command("env", "site", "--json")
    assert done.returncode == 0, done.stderr
    environment = json.loads(done.stdout)
    for key in ("POOLED", "DIRECT", "NAMED_POOL"):
        with connect({"uri": environment[key]}, prepare_threshold=None) as connection:
            row = connection.execute("SELECT current_user, current_database()").fetchone()
            assert row == ("web", "site"), key
    assert environment["CA"].startswith("-----BEGIN CERTIFICATE-----")
    assert environment["WHERE"].startswith("https://site-")
    assert environment["WHERE"].endswith("/3000")
    assert environment["INDIRECT"] == environment["WHERE"] + "!"
    assert "BUILD" not in environment
    shell = cloud.command("env", "site", "web").stdout
    assert f"export DIRECT={shlex.quote(environment['DIRECT'])}\n" in shell
    # What a deployment got stays; a reset password reaches the app with its next deployment.
    renewed = cloud.post(f"/v2/databases/{cluster['id']}/users/web/reset_auth", {}, 200)["user"]
    assert renewed["password"] not in cloud.command("env", "site").stdout
    app_id = next(app["id"] for app in cloud.get("/v2/apps")["apps"] if app["spec"]["name"] == "site")
    cloud.post(f"/v2/apps/{app_id}/deployments", {}, 200)
    assert renewed["password"] in cloud.command("env", "site").stdout


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("${nodb.DATABASE_URL}", "which is unknown. There are: db, web"),
        ("${db.NOTHING}", "the database component db has no variable NOTHING"),
        ("${web.NOTHING}", "the component web has no variable NOTHING"),
        ("${db.nopool.DATABASE_URL}", "has no variable nopool.DATABASE_URL"),
        ("${NOTHING}", "which is unknown"),
    ],
)
def test_an_unknown_reference_fails_the_deployment(
    cloud: LocalCloud, deploy: Deploy, value: str, complaint: str
) -> None:
    app = deploy(with_envs(variable("X", value)))
    assert "active_deployment" not in app
    deployment = cloud.get(f"/v2/apps/{app['id']}/deployments")["deployments"][0]
    assert (deployment["phase"], deployment["progress"]["error_steps"]) == ("ERROR", 1)
    reason = deployment["progress"]["steps"][0]["reason"]["message"]
    assert "X refers to" in reason
    assert complaint in reason
    cloud.put(f"/v2/apps/{app['id']}", {"spec": with_envs(variable("X", "${db.DATABASE}"))}, 200)
    assert cloud.get(f"/v2/apps/{app['id']}")["app"]["active_deployment"]["phase"] == "ACTIVE"


def test_a_circle_of_variables_fails_the_deployment(cloud: LocalCloud, deploy: Deploy) -> None:
    app = deploy(with_envs(variable("A", "${B}"), variable("B", "${A}")))
    assert cloud.get(f"/v2/apps/{app['id']}/deployments")["deployments"][0]["phase"] == "ERROR"


def test_secrets_come_back_sealed_and_can_be_sent_back(cloud: LocalCloud, deploy: Deploy) -> None:
    app = deploy(with_envs(variable("TOKEN", "correct horse", "SECRET")))
    sealed = app["spec"]["services"][0]["envs"][0]
    assert sealed["value"].startswith("EV[1:")
    written = "".join(path.read_text("utf-8") for path in cloud.state.glob("*.json*"))
    assert "correct horse" not in written
    changed = cloud.put(f"/v2/apps/{app['id']}", {"spec": app["spec"]}, 200)["app"]
    assert changed["spec"]["services"][0]["envs"] == [sealed]
    assert json.loads(cloud.command("env", "site", "--json").stdout) == {"TOKEN": "correct horse"}
    foreign = with_envs(variable("TOKEN", "EV[1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAA]", "SECRET"))
    answer = cloud.call("PUT", f"/v2/apps/{app['id']}", {"spec": foreign})
    assert (answer.status, "not made by this account" in answer.message) == (422, True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Site"}, "name"),
        ({"name": "x"}, "name"),
        ({"name": "y" * 33}, "name"),
        ({"region": "nyc1"}, "region"),
        ({"services": [], "databases": []}, "services"),
        ({"services": [{"name": "a-b"}]}, "services.a-b"),
        ({"services": [{"name": "ab", "image": {"repository": "x"}, "git": {"branch": "x"}}]}, "services.ab"),
        ({"services": [{"name": "ab", "image": {"registry_type": "DOCR"}}]}, "services.ab.image.repository"),
        ({"services": [{"name": "db", "image": {"repository": "x"}}]}, "databases.name"),
        ({"services": [{"name": "ab", "image": {"repository": "x"}, "http_port": 70000}]}, "services.ab.http_port"),
        ({"vpc": {"id": "5a4981aa-9653-4bd1-bef5-d6bff52042e4"}}, "vpc.id"),
        ({"domains": [{"domain": "no host"}]}, "domains.domain"),
        ({"envs": [{"key": "1X", "value": ""}]}, "envs"),
        ({"envs": [{"key": "X"}, {"key": "X"}]}, "envs"),
        ({"envs": [{"key": "X", "scope": "LATER"}]}, "envs.X.scope"),
    ],
)
def test_a_wrong_spec_is_refused(
    cloud: LocalCloud, database: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    answer = cloud.call("POST", "/v2/apps", {"spec": spec_of() | change})
    assert answer.status == 422
    assert answer.message.startswith(f'error validating app spec field "{field}": ')
    assert cloud.get("/v2/apps")["meta"]["total"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"cluster_name": "none"},
        {"db_name": "none"},
        {"db_user": "none"},
        {"version": "16"},
        {"engine": "REDIS"},
    ],
)
def test_an_attached_database_must_exist(cloud: LocalCloud, database: dict[str, Any], change: dict[str, Any]) -> None:
    spec = spec_of()
    spec["databases"][0] |= change
    answer = cloud.call("POST", "/v2/apps", {"spec": spec})
    assert (answer.status, f"databases.db.{next(iter(change))}" in answer.message) == (422, True), answer.message


def test_a_development_database_is_not_implemented(cloud: LocalCloud, database: dict[str, Any]) -> None:
    answer = cloud.call("POST", "/v2/apps", {"spec": spec_of(databases=[{"name": "db", "engine": "PG"}])})
    assert (answer.status, "databases.db" in answer.message) == (501, True)


def test_names_are_unique(cloud: LocalCloud, deploy: Deploy) -> None:
    app = deploy(spec_of())
    assert cloud.call("POST", "/v2/apps", {"spec": spec_of()}).status == 409
    other = deploy(spec_of(name="other-site"))
    assert cloud.call("PUT", f"/v2/apps/{other['id']}", {"spec": spec_of()}).status == 409
    assert cloud.get(f"/v2/apps/{app['id']}")["app"]["spec"]["name"] == "site"


def test_alerts_keep_their_destinations_over_an_update(cloud: LocalCloud, deploy: Deploy) -> None:
    spec = spec_of(alerts=[{"rule": "DEPLOYMENT_FAILED"}])
    app = deploy(spec)
    path = f"/v2/apps/{app['id']}"
    alert = cloud.get(f"{path}/alerts")["alerts"][0]
    assert (alert["spec"]["rule"], alert["emails"]) == ("DEPLOYMENT_FAILED", [])
    cloud.post(f"{path}/alerts/{alert['id']}/destinations", {"emails": ["ops@villa.test"]}, 200)
    cloud.put(path, {"spec": spec}, 200)
    assert cloud.get(f"{path}/alerts")["alerts"] == [alert | {"emails": ["ops@villa.test"]}]


def test_env_says_what_there_is(cloud: LocalCloud, deploy: Deploy) -> None:
    deploy(spec_of())
    unknown = cloud.command("env", "nothing")
    assert (unknown.returncode, "There are: site" in unknown.stderr) == (1, True)
    component = cloud.command("env", "site", "nothing")
    assert (component.returncode, "It has: web" in component.stderr) == (1, True)
