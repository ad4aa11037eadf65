"""The bundled plugins with the real engine, against the local cloud and its real servers."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud
from tests.providers.stack import Stack

PROGRAM = Path(__file__).parent / "program.py"
ZONE = "villa.test"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    started = LocalCloud(None, zones=(ZONE,))
    try:
        started.start()
        yield started
    finally:
        started.remove()


@pytest.fixture
def stack(cloud: LocalCloud, tmp_path: Path) -> Iterator[Stack]:
    config = {
        "digitalocean:apiEndpoint": cloud.url,
        "cloudflare:baseUrl": f"{cloud.url}/client/v4",
        "zone": ZONE,
        "size": "db-s-1vcpu-1gb",
    }
    secrets = {"digitalocean:token": cloud.token, "cloudflare:apiToken": cloud.token}
    made = Stack(tmp_path, config, secrets)
    made.program(PROGRAM.read_text())
    yield made
    made.destroy()


def test_life_of_a_stack(stack: Stack, cloud: LocalCloud, tmp_path: Path) -> None:
    stack.run("preview")
    assert cloud.get("/v2/databases")["databases"] == [], "a preview changes nothing"

    stack.up()
    stack.unchanged()
    stack.refresh()
    stack.unchanged()

    outputs = stack.outputs()
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(outputs["ca"])
    pooled = outputs["pooled_uri"].replace("sslmode=require", f"sslmode=verify-full&sslrootcert={ca_file}")
    with psycopg.connect(pooled) as connection:
        row = connection.execute("SELECT current_user, current_database()").fetchone()
    assert row == ("app", "villa")
    assert outputs["zone_status"] == "active"

    exported = stack.run("stack", "export")
    for secret in (outputs["pooled_uri"], outputs["password"], outputs["direct_uri"]):
        assert secret not in exported
        assert json.dumps(secret)[1:-1] not in exported

    grown = {"size": "db-s-2vcpu-4gb", "replica": "true", "pool_size": "30"}
    before = stack.resources()
    for key, value in grown.items():
        stack.run("config", "set", key, value)
    stack.up()
    stack.unchanged()
    after = stack.resources()
    assert after["main"]["id"] == before["main"]["id"], "the cluster is resized, not replaced"
    assert after["pool"]["outputs"]["size"] == 30
    assert after["reads"]["outputs"]["uuid"]
    assert after["reads"]["outputs"]["privateNetworkUuid"] == after["abroad"]["id"]
    assert stack.outputs()["password"] == outputs["password"], "a random password is kept"

    stack.destroy()
    assert cloud.get("/v2/databases")["databases"] == []
    assert cloud.get("/v2/apps")["apps"] == []
    assert [vpc["name"] for vpc in cloud.get("/v2/vpcs")["vpcs"] if not vpc["default"]] == []


def test_life_of_a_valkey(stack: Stack, cloud: LocalCloud) -> None:
    program = (
        "import pulumi, pulumi_digitalocean as digitalocean\n"
        "cache = digitalocean.DatabaseCluster('cache', name='cache', engine='valkey', version='8', node_count=1,\n"
        "    size='db-s-1vcpu-1gb', region='nyc1', eviction_policy='allkeys_lru')\n"
        "digitalocean.DatabaseValkeyConfig('config', cluster_id=cache.id, persistence='off', timeout=0)\n"
        "digitalocean.DatabaseFirewall('sources', cluster_id=cache.id,\n"
        "    rules=[{'type': 'ip_addr', 'value': '127.0.0.0/8'}])\n"
        "pulumi.export('uri', cache.private_uri)\n"
    )
    stack.program(program)
    stack.up()
    stack.unchanged()
    stack.refresh()
    stack.unchanged()
    (cluster,) = cloud.get("/v2/databases")["databases"]
    assert stack.outputs()["uri"] == cluster["private_connection"]["uri"]
    path = f"/v2/databases/{cluster['id']}"
    assert cloud.get(f"{path}/eviction_policy") == {"eviction_policy": "allkeys_lru"}
    assert cloud.get(f"{path}/config")["config"].items() >= {"valkey_persistence": "off", "valkey_timeout": 0}.items()

    stack.program(program.replace("allkeys_lru", "volatile_ttl").replace("1vcpu-1gb", "1vcpu-2gb"))
    stack.up()
    stack.unchanged()
    assert stack.resources()["cache"]["id"] == cluster["id"]
    assert cloud.get(f"{path}/eviction_policy") == {"eviction_policy": "volatile_ttl"}

    stack.destroy()
    assert cloud.get("/v2/databases")["databases"] == []


def test_a_stack_restores_a_cluster(stack: Stack, cloud: LocalCloud) -> None:
    order = "engine='pg', version='17', size='db-s-1vcpu-1gb', region='nyc1', node_count=1"
    program = (
        "import pulumi, pulumi_digitalocean as digitalocean\n"
        f"digitalocean.DatabaseCluster('first', name='first', {order})\n"
    )
    stack.program(program)
    stack.up()
    (first,) = cloud.get("/v2/databases")["databases"]
    with psycopg.connect(first["connection"]["uri"]) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    backup = cloud.post(f"/_local/databases/{first['id']}/backups", None)["backup"]
    with psycopg.connect(first["connection"]["uri"]) as session:
        session.execute("DROP TABLE kept")

    restore = f"{{'database_name': 'first', 'backup_created_at': '{backup['created_at']}'}}"
    stack.program(
        f"{program}copy = digitalocean.DatabaseCluster('copy', name='copy', {order}, backup_restore={restore})\n"
        "pulumi.export('uri', copy.uri)\n"
    )
    stack.up()
    with psycopg.connect(stack.outputs()["uri"]) as session:
        assert session.execute("SELECT answer FROM kept").fetchone() == (42,)
    stack.unchanged()
    stack.refresh()
    stack.unchanged()
    stack.destroy()


def test_import(stack: Stack, cloud: LocalCloud) -> None:
    """What was made by hand is taken over without a change."""
    made = cloud.post("/v2/vpcs", {"name": "by-hand", "region": "nyc1", "ip_range": "10.77.0.0/16"})["vpc"]
    stack.program(
        "import pulumi, pulumi_digitalocean as digitalocean\n"
        "digitalocean.Vpc('net', name='by-hand', region='nyc1', ip_range='10.77.0.0/16',\n"
        f"    opts=pulumi.ResourceOptions(import_='{made['id']}'))\n"
    )
    stack.up()
    assert stack.resources()["net"]["id"] == made["id"]
    stack.unchanged()


def test_failed_create_is_finished_by_the_next_run(stack: Stack, cloud: LocalCloud) -> None:
    """A cluster whose creation broke off after it was made is kept, not made twice."""
    stack.program(
        "import pulumi, pulumi_digitalocean as digitalocean\n"
        "digitalocean.DatabaseCluster('main', name='kept', engine='pg', version='17', size='db-s-1vcpu-1gb',\n"
        "    region='nyc1', node_count=1, maintenance_windows=[{'day': 'sunday', 'hour': '99:00'}])\n"
    )
    told = stack.run("up", "--yes", "--skip-preview", fails=True)
    assert "creating database cluster main" in told
    (cluster,) = cloud.get("/v2/databases")["databases"]
    assert stack.resources()["main"]["id"] == cluster["id"]
    stack.program((stack.folder / "__main__.py").read_text().replace("99:00", "02:00"))
    stack.up()
    assert [found["id"] for found in cloud.get("/v2/databases")["databases"]] == [cluster["id"]]
    stack.unchanged()
