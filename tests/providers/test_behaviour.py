"""What the digitalocean plugin does when things are not as planned."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from tests.providers.plugin import UNKNOWN, Plugin, Resource, struct
from tests.providers.stub_api import Fault, StubApi

TOKEN = "dop_v1_do_not_show_me"
COMMAND = [sys.executable, "-m", "localcloud.providers.digitalocean"]
QUICK = {"httpRetryWaitMin": "0.01", "httpRetryWaitMax": "0.05"}
VPC = "digitalocean:index/vpc:Vpc"
CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
POOL = "digitalocean:index/databaseConnectionPool:DatabaseConnectionPool"
REPLICA = "digitalocean:index/databaseReplica:DatabaseReplica"
FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
APP = "digitalocean:index/app:App"
NETWORK = {"name": "villa-net", "region": "nyc1"}
VILLA = {"name": "villa", "engine": "pg", "version": "17", "size": "db-s-1vcpu-1gb", "region": "nyc1", "nodeCount": 1}


@pytest.fixture(scope="module")
def served() -> Iterator[StubApi]:
    with StubApi() as stub:
        yield stub


@pytest.fixture
def api(served: StubApi) -> StubApi:
    served.reset()
    return served


@pytest.fixture(scope="module")
def started(served: StubApi) -> Iterator[Plugin]:
    config = {"token": TOKEN, "apiEndpoint": served.url, **QUICK}
    with Plugin(COMMAND, dict(os.environ), config) as plugin:
        yield plugin


@pytest.fixture
def plugin(started: Plugin, api: StubApi) -> Plugin:
    """The plugin of all tests that leave it as it was, with a new world behind it."""
    assert api.journal == []
    return started


def made(plugin: Plugin, token: str, inputs: dict[str, Any]) -> Resource:
    """A resource of these inputs."""
    urn = plugin.urn(token, "it")
    checked, failures = plugin.check(urn, inputs)
    assert failures == []
    return plugin.create(urn, checked)


def failure(call: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    """What the user is told."""
    return str(call.value.details())


def kept(call: pytest.ExceptionInfo[grpc.RpcError]) -> provider_pb2.ErrorResourceInitFailed:
    """The resource that a failure asks the engine to keep."""
    metadata = {item.key: item.value for item in call.value.trailing_metadata()}
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert isinstance(status.details[0], any_pb2.Any)
    assert status.details[0].Unpack(detail)
    return detail


def test_sends_the_token(plugin: Plugin, api: StubApi) -> None:
    made(plugin, VPC, NETWORK)
    assert {request.token for request in api.journal} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_tries_again(plugin: Plugin, api: StubApi, status: int) -> None:
    api.faults.append(Fault("POST", "/v2/vpcs", status, times=2, headers={"Retry-After": "0"}))
    assert made(plugin, VPC, NETWORK).outputs["name"] == "villa-net"
    assert [request.method for request in api.journal] == ["POST", "POST", "POST", "GET"]


def test_gives_up_after_four_retries(plugin: Plugin, api: StubApi) -> None:
    api.faults.append(Fault("POST", "/v2/vpcs", 503, times=99))
    with pytest.raises(grpc.RpcError):
        made(plugin, VPC, NETWORK)
    assert len(api.journal) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 501])
def test_does_not_try_again(plugin: Plugin, api: StubApi, status: int) -> None:
    api.faults.append(Fault("POST", "/v2/vpcs", status, times=99, message="no such size"))
    with pytest.raises(grpc.RpcError) as error:
        made(plugin, VPC, NETWORK)
    assert len(api.journal) == 1
    told = failure(error)
    assert told == f"creating VPC it: POST /v2/vpcs: HTTP {status}: no such size (request req-1)"
    assert TOKEN not in told


def test_unreachable_api_is_named() -> None:
    config = {"token": TOKEN, "apiEndpoint": "http://127.0.0.1:9", "httpRetryMax": "1", "httpRetryWaitMin": "0.01"}
    with Plugin(COMMAND, dict(os.environ), config) as plugin, pytest.raises(grpc.RpcError) as error:
        made(plugin, VPC, NETWORK)
    assert "http://127.0.0.1:9 cannot be reached" in failure(error)
    assert "nothing was changed" in failure(error)


def test_missing_token_is_named(api: StubApi) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGITALOCEAN_")}
    with Plugin(COMMAND, environment, {"apiEndpoint": api.url}) as plugin, pytest.raises(grpc.RpcError) as error:
        made(plugin, VPC, NETWORK)
    assert "DIGITALOCEAN_TOKEN" in failure(error)


def test_environment_configures(api: StubApi) -> None:
    environment = {**os.environ, "DIGITALOCEAN_ACCESS_TOKEN": "from-environment", "DIGITALOCEAN_API_URL": api.url}
    environment.pop("DIGITALOCEAN_TOKEN", None)
    with Plugin(COMMAND, environment, {}) as plugin:
        made(plugin, VPC, NETWORK)
    assert api.journal[0].token == "Bearer from-environment"


def test_delete_of_what_is_gone(plugin: Plugin, api: StubApi) -> None:
    network = made(plugin, VPC, NETWORK)
    api.store.clear()
    plugin.delete(network)


def test_refresh_of_what_is_gone(plugin: Plugin, api: StubApi) -> None:
    network = made(plugin, VPC, NETWORK)
    api.store.clear()
    assert plugin.read(network).id == ""


def test_vpc_waits_for_its_members_to_leave(plugin: Plugin, api: StubApi) -> None:
    network = made(plugin, VPC, NETWORK)
    api.faults.append(Fault("DELETE", "/v2/vpcs", 403, times=2, message="Can not delete VPC with members"))
    plugin.delete(network)
    assert [request.method for request in api.journal[-3:]] == ["DELETE"] * 3


def test_cluster_is_waited_for(plugin: Plugin, api: StubApi) -> None:
    api.polls_until_ready = 3
    cluster = made(plugin, CLUSTER, VILLA)
    polls = [request for request in api.journal if request.path == f"/v2/databases/{cluster.id}"]
    assert len(polls) == 3 + 1 + 1


def test_half_made_cluster_is_kept(plugin: Plugin, api: StubApi) -> None:
    """A cluster that was made bills, so it must not be forgotten when a later request fails."""
    inputs = VILLA | {"maintenanceWindows": [{"day": "sunday", "hour": "02:00"}]}
    api.faults.append(Fault("PUT", "/v2/databases", 422, message="bad hour"))
    with pytest.raises(grpc.RpcError) as error:
        made(plugin, CLUSTER, inputs)
    found = kept(error)
    assert f"databases/{found.id}" in api.store
    assert found.properties["name"] == "villa"
    assert "bad hour" in found.reasons[0]
    assert "password-of-doadmin" not in found.reasons[0]


def test_update_without_change_finishes_a_half_made_cluster(plugin: Plugin, api: StubApi) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    api.store[f"databases/{cluster.id}"]["status"] = "creating"
    api.busy[f"databases/{cluster.id}"] = 2
    plugin.update(cluster, cluster.inputs)
    assert api.store[f"databases/{cluster.id}"]["status"] == "online"


def test_cancel_ends_a_wait(api: StubApi) -> None:
    api.polls_until_ready = 10_000
    with Plugin(COMMAND, dict(os.environ), {"token": TOKEN, "apiEndpoint": api.url}) as plugin:
        cancel_while_waiting(plugin, api)


def cancel_while_waiting(plugin: Plugin, api: StubApi) -> None:
    urn = plugin.urn(CLUSTER, "it")
    checked, _ = plugin.check(urn, VILLA)
    waiting = plugin.stub.Create.future(provider_pb2.CreateRequest(urn=urn, properties=struct(checked), timeout=0))
    while len(api.journal) < 2:
        assert not waiting.done()
    plugin.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.RpcError) as error:
        waiting.result(timeout=30)
    assert "stopped while waiting for database cluster" in failure(error)
    assert f"databases/{kept(error).id}" in api.store


def test_plugin_ends_with_its_engine() -> None:
    """A killed engine must not leave its plugins behind."""
    plugin = " ".join(map(shlex.quote, [*COMMAND, "127.0.0.1:9"]))
    engine = subprocess.Popen(["sh", "-c", f"{plugin} & echo $!; wait"], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    told = sorted(int(engine.stdout.readline()) for _ in range(2))
    identity = next(number for number in told if is_running(number, "localcloud.providers"))
    engine.kill()
    engine.wait()
    deadline = time.monotonic() + 60
    while is_running(identity, "localcloud.providers"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    engine.stdout.close()


def is_running(identity: int, words: str) -> bool:
    """True where a process of this id runs a command with these words."""
    command = subprocess.run(["ps", "-o", "args=", "-p", str(identity)], capture_output=True, text=True, check=False)
    return words in command.stdout


def test_replica_waits_for_the_first_backup(plugin: Plugin, api: StubApi) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    path = f"/v2/databases/{cluster.id}/replicas"
    api.faults.append(Fault("POST", path, 412, times=2, message="the first backup is not there yet"))
    replica = made(plugin, REPLICA, {"clusterId": cluster.id, "name": "reads", "size": "db-s-1vcpu-1gb"})
    assert replica.outputs["uuid"]
    assert len([request for request in api.journal if request.method == "POST" and request.path == path]) == 3


def test_failed_deployment_names_the_step(plugin: Plugin, api: StubApi) -> None:
    api.failed_step = {"name": "build", "reason": {"message": "the image does not exist"}}
    with pytest.raises(grpc.RpcError) as error:
        made(plugin, APP, {"spec": {"name": "villa-api", "services": [{"name": "api"}]}})
    assert "build: the image does not exist" in failure(error)
    assert f"apps/{kept(error).id}" in api.store


def test_update_of_what_is_gone_says_so(plugin: Plugin, api: StubApi) -> None:
    network = made(plugin, VPC, NETWORK)
    api.store.clear()
    checked, _ = plugin.check(network.urn, NETWORK | {"description": "new"}, network.inputs)
    with pytest.raises(grpc.RpcError) as error:
        plugin.update(network, checked)
    assert "does not exist any more" in failure(error)


def test_sets_have_no_order(plugin: Plugin) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    rules = [{"type": "ip_addr", "value": value} for value in ("203.0.113.9", "10.0.0.0/16", "198.51.100.0/24")]
    sources = made(plugin, FIREWALL, {"clusterId": cluster.id, "rules": rules})
    turned, _ = plugin.check(sources.urn, {"clusterId": cluster.id, "rules": rules[::-1]}, sources.inputs)
    assert plugin.diff(sources, turned).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_ignored_changes_are_ignored(plugin: Plugin) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    checked, _ = plugin.check(cluster.urn, VILLA | {"size": "db-s-2vcpu-4gb"}, cluster.inputs)
    assert plugin.diff(cluster, checked, ["size"]).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert plugin.diff(cluster, checked).diffs == ["size"]


def test_drift_shows_after_a_refresh(plugin: Plugin, api: StubApi) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    api.store[f"databases/{cluster.id}"]["num_nodes"] = 3
    refreshed = plugin.read(cluster)
    assert refreshed.outputs["nodeCount"] == 3
    checked, _ = plugin.check(cluster.urn, VILLA, refreshed.inputs)
    assert plugin.diff(refreshed, checked).diffs == ["nodeCount"]


def test_preview_of_a_new_resource_on_unknown_inputs(plugin: Plugin) -> None:
    urn = plugin.urn(POOL, "it")
    inputs = {"clusterId": UNKNOWN, "name": "pool", "mode": "transaction", "size": 5, "dbName": UNKNOWN}
    checked, failures = plugin.check(urn, inputs)
    assert failures == []
    outputs = plugin.create(urn, checked, preview=True).outputs
    assert outputs["clusterId"] == UNKNOWN
    assert outputs["host"] == UNKNOWN
    assert outputs["size"] == 5


def test_preview_of_an_update_keeps_what_does_not_change(plugin: Plugin, api: StubApi) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    checked, _ = plugin.check(cluster.urn, VILLA | {"size": "db-s-1vcpu-2gb"}, cluster.inputs)
    before = len(api.journal)
    outputs = plugin.update(cluster, checked, preview=True).outputs
    assert outputs == cluster.outputs | {"size": "db-s-1vcpu-2gb"}
    assert len(api.journal) == before


def test_automatic_names_are_kept(plugin: Plugin) -> None:
    urn = plugin.urn(VPC, "net")
    first, _ = plugin.check(urn, {"region": "nyc1"})
    assert first["name"].startswith("net-")
    again, _ = plugin.check(urn, {"region": "nyc1"}, first)
    assert again["name"] == first["name"]
    assert first["__defaults"] == ["name"]


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"region": ""}, "region", "must not be empty"),
        ({"nodeCount": "many"}, "nodeCount", "integer"),
        ({"nodeCount": None}, "nodeCount", "required"),
        ({"version": None}, "version", "required"),
        ({"colour": "blue"}, "colour", "cannot be set"),
        ({"uri": "x"}, "uri", "cannot be set"),
        ({"sqlMode": "ANSI"}, "sqlMode", "cannot be set"),
        ({"maintenanceWindows": [{"day": "sunday"}]}, "maintenanceWindows[0].hour", "required"),
        ({"tags": "one"}, "tags", "list"),
    ],
)
def test_bad_inputs_are_named(plugin: Plugin, changes: dict[str, Any], where: str, words: str) -> None:
    given = {name: value for name, value in (VILLA | changes).items() if value is not None}
    _, failures = plugin.check(plugin.urn(CLUSTER, "it"), given)
    assert [name for name, _ in failures] == [where]
    assert words in failures[0][1]


def test_numbers_may_be_strings(plugin: Plugin) -> None:
    checked, failures = plugin.check(plugin.urn(CLUSTER, "it"), VILLA | {"nodeCount": "2", "storageSizeMib": 30720})
    assert failures == []
    assert checked["nodeCount"] == 2
    assert checked["storageSizeMib"] == "30720"


def test_unsupported_type_points_to_the_official_plugin(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as error:
        plugin.check(plugin.urn("digitalocean:index/kubernetesCluster:KubernetesCluster", "it"), {})
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "official plugin" in failure(error)


def test_passwords_with_every_character(plugin: Plugin, api: StubApi) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    connection = api.store[f"databases/{cluster.id}"]["connection"]
    connection["uri"] = "postgresql://doadmin:hidden@villa.example:25060/defaultdb?sslmode=require"
    state = {**cluster.outputs, "password": {**cluster.outputs["password"], "value": "a@b:c/d?e&f=g+h %"}}
    refreshed = plugin.read(Resource(cluster.urn, cluster.id, cluster.inputs, state))
    assert refreshed.outputs["uri"]["value"] == (
        "postgresql://doadmin:a%40b%3Ac%2Fd%3Fe&f=g+h%20%25@villa.example:25060/defaultdb?sslmode=require"
    )


def test_a_pool_is_looked_up(plugin: Plugin) -> None:
    cluster = made(plugin, CLUSTER, VILLA)
    inputs = {
        "clusterId": cluster.id,
        "name": "web",
        "mode": "transaction",
        "size": 5,
        "dbName": "villa",
        "user": "app",
    }
    pool = made(plugin, POOL, inputs)
    function = "digitalocean:index/getDatabaseConnectionPool:getDatabaseConnectionPool"
    asked = {"clusterId": cluster.id, "name": "web"}
    assert plugin.invoke(function, asked) == {**pool.outputs, "id": pool.id}
    with pytest.raises(grpc.RpcError) as call:
        plugin.invoke(function, {**asked, "name": "other"})
    assert "HTTP 404" in failure(call)
