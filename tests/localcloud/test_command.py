"""The command: start, stop, status, reset, logs; what survives; two local clouds at once."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from localcloud import daemon
from tests.localcloud.cloud import ROOT, LocalCloud, wait_until
from tests.localcloud.contract import Contract


@pytest.fixture
def fresh(openapi: Contract | None) -> Iterator[LocalCloud]:
    """A local cloud that is not started."""
    cloud = LocalCloud(openapi)
    yield cloud
    if cloud.state.exists():
        cloud.remove()


def status(cloud: LocalCloud) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cloud.command("status", "--json").stdout)
    return found


def read(cluster: dict[str, Any], query: str) -> Any:
    with psycopg.connect(cluster["connection"]["uri"], autocommit=True, connect_timeout=30) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


def test_start_and_stop_can_be_repeated(fresh: LocalCloud) -> None:
    assert fresh.command("status").returncode == 3
    assert status(fresh) == {"running": False}
    assert fresh.command("stop").returncode == 0
    fresh.start()
    again = fresh.command("start")
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    assert fresh.url in fresh.command("status").stdout
    fresh.stop()
    assert fresh.command("stop").returncode == 0
    assert fresh.command("status").returncode == 3


def test_everything_survives_stop_and_start(fresh: LocalCloud) -> None:
    fresh.start()
    cluster = fresh.create_cluster("lasting")
    path = f"/v2/databases/{cluster['id']}"
    fresh.post(f"{path}/dbs", {"name": "app"})
    fresh.post(f"{path}/users", {"name": "app"})
    pool = {"name": "pool", "mode": "transaction", "size": 5, "db": "app", "user": "app"}
    fresh.post(f"{path}/pools", pool)
    fresh.put(f"{path}/firewall", {"rules": [{"type": "ip_addr", "value": "127.0.0.0/8"}]}, 204)
    fresh.post(f"{path}/replicas", {"name": "reader"})
    fresh.online(f"{path}/replicas/reader", "replica")
    with psycopg.connect(cluster["connection"]["uri"], connect_timeout=30) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    paths = [path, f"{path}/users", f"{path}/pools", f"{path}/firewall", f"{path}/replicas", f"{path}/ca", "/v2/vpcs"]
    before = [fresh.get(item) for item in paths]
    seq = fresh.last_seq()
    fresh.stop()
    with pytest.raises(psycopg.OperationalError):
        read(cluster, "SELECT 1")
    fresh.start()
    assert [fresh.get(item) for item in paths] == before
    assert fresh.journal(seq)[0]["seq"] == seq + 1
    assert read(cluster, "SELECT answer FROM kept") == 42
    shown = fresh.command("status").stdout
    for word in ("lasting", "reader", "pool", "online", str(cluster["connection"]["port"])):
        assert word in shown
    found = status(fresh)["clusters"][0]
    assert (found["name"], found["replicas"][0]["name"]) == ("lasting", "reader")
    password = cluster["connection"]["password"]
    assert password not in fresh.command("status", "--json").stdout


def test_every_part_is_told_with_its_version_and_origin(cloud: LocalCloud) -> None:
    told = json.loads(cloud.command("status", "--json", "--versions").stdout)["parts"]
    found = {part["name"]: part for part in told}
    assert {"PostgreSQL 15", "PostgreSQL 17", "PostgreSQL 18", "PgBouncer", "Valkey"} <= found.keys()
    for name, part in found.items():
        said = subprocess.run([part["path"], "--version"], capture_output=True, text=True, check=True).stdout
        assert re.search(rf"\b{re.escape(part['version'])}\b", said.replace("v=", ""))
        package = name.lower().replace(" ", "-").replace("valkey", "valkey-server")
        assert part["package"].startswith(f"{package} ")
        assert part["version"] in part["package"]
    shown = cloud.command("status", "--versions").stdout
    assert all(part["package"] in shown and part["path"] in shown for part in told)


def test_a_killed_process_loses_nothing(fresh: LocalCloud) -> None:
    fresh.start()
    cluster = fresh.create_cluster("killed")
    path = f"/v2/databases/{cluster['id']}"
    user = fresh.post(f"{path}/users", {"name": "app"})["user"]
    ordered = fresh.post(
        "/v2/databases",
        {"name": "half-made", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc1", "num_nodes": 1},
    )["database"]
    fresh.put(f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, 202)
    os.kill(status(fresh)["pid"], signal.SIGKILL)
    wait_until(lambda: fresh.command("status").returncode == 3, "the process to be gone")
    fresh.start()
    assert fresh.online(path, "database")["size"] == "db-s-1vcpu-2gb"
    assert read(cluster, "SELECT current_setting('max_connections')") == "50"
    assert fresh.get(f"{path}/users/app")["user"] == user
    made = fresh.online(f"/v2/databases/{ordered['id']}", "database")
    assert read(made, "SELECT 1") == 1


def test_reset_stops_everything_also_after_a_kill(fresh: LocalCloud) -> None:
    fresh.start()
    cluster = fresh.create_cluster("doomed")
    os.kill(status(fresh)["pid"], signal.SIGKILL)
    wait_until(lambda: fresh.command("status").returncode == 3, "the process to be gone")
    refused = fresh.command("reset")
    assert (refused.returncode, "--yes" in refused.stdout) == (1, True)
    assert fresh.state.exists()
    assert fresh.command("reset", "--yes").returncode == 0
    assert not fresh.state.exists()
    with pytest.raises(psycopg.OperationalError):
        read(cluster, "SELECT 1")


def test_reset_deletes_only_state_folders(fresh: LocalCloud) -> None:
    (fresh.state / "precious.txt").write_text("x")
    refused = fresh.command("reset", "--yes")
    assert (refused.returncode, "is not the state folder" in refused.stderr) == (1, True)
    assert (fresh.state / "precious.txt").exists()
    (fresh.state / "precious.txt").unlink()
    fresh.state.rmdir()


def test_a_taken_port_is_named(fresh: LocalCloud) -> None:
    with socket.create_server(("127.0.0.1", fresh.port)):
        done = fresh.command("start")
    assert done.returncode == 1
    assert f"Port {fresh.port}" in done.stderr
    assert "--port" in done.stderr
    assert fresh.command("status").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "changes", "complaint"),
    [
        (("start", "--port", "80"), {}, "1024 to 65535"),
        (("status", "--state", __file__), {}, f"{__file__}: a file. Give a folder."),
        (("start",), {"LOCALCLOUD_STATE": __file__}, "a file. Give a folder."),
        (("start",), {"LOCALCLOUD_PORT": "x"}, "LOCALCLOUD_PORT=x"),
        (("start",), {"LOCALCLOUD_POSTGRESQL": ""}, "LOCALCLOUD_POSTGRESQL"),
        (("start", "--pgbouncer", "/nowhere"), {}, "--pgbouncer"),
        (("logs", "nothing"), {}, "There are: api, journal"),
        (("env", "nothing"), {}, "There is no app called nothing"),
    ],
)
def test_wrong_options_are_explained(
    fresh: LocalCloud, arguments: tuple[str, ...], changes: dict[str, str], complaint: str
) -> None:
    done = fresh.command(*arguments, **changes)
    assert (done.returncode, complaint in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_postgresql_is_explained(fresh: LocalCloud, tmp_path: Path) -> None:
    done = fresh.command("start", "--postgresql", str(tmp_path))
    assert (done.returncode, "No PostgreSQL in" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_file_that_cannot_be_read_stays_as_it_is(fresh: LocalCloud) -> None:
    fresh.start()
    fresh.stop()
    (fresh.state / "state.json").write_text("[]")
    done = fresh.command("start")
    assert (done.returncode, "reset" in done.stderr) == (1, True), done.stderr
    assert (fresh.state / "state.json").read_text() == "[]"


def test_logs_show_the_api_the_journal_and_the_servers(cloud: LocalCloud, cluster: dict[str, Any]) -> None:
    assert "GET /v2/databases" in cloud.command("logs").stdout
    assert '"seq": 1' in cloud.command("logs", "journal").stdout
    assert "database system is ready" in cloud.command("logs", "shared/postgresql").stdout
    assert cloud.command("logs", "shared/pgbouncer").returncode == 0


def test_two_local_clouds_do_not_know_each_other(cloud: LocalCloud, make_cloud: Callable[..., LocalCloud]) -> None:
    other = make_cloud(zones=("third.test",))
    here = cloud.post("/v2/vpcs", {"name": "same", "region": "blr1", "ip_range": "10.77.0.0/16"})["vpc"]
    there = other.post("/v2/vpcs", {"name": "same", "region": "blr1", "ip_range": "10.77.0.0/16"})["vpc"]
    assert here["id"] != there["id"]
    assert cloud.call("GET", f"/v2/vpcs/{there['id']}").status == 404
    assert [zone["name"] for zone in other.get("/client/v4/zones")["result"]] == ["third.test"]
    cluster = other.create_cluster("shared")
    mine = cloud.create_cluster("mine")
    assert len({item["connection"]["port"] for item in (cluster, mine)}) == 2
    cloud.delete(f"/v2/vpcs/{here['id']}")
    other.stop()
    assert read(mine, "SELECT 1") == 1
    cloud.delete(f"/v2/databases/{mine['id']}")


def test_help_names_every_command(fresh: LocalCloud) -> None:
    shown = fresh.command("--help").stdout
    for command in ("start", "stop", "status", "reset", "logs", "serve", "env"):
        assert f"\n    {command} " in shown
        assert fresh.command(command, "--help").returncode == 0


def test_the_api_listens_on_loopback_only(cloud: LocalCloud) -> None:
    assert stat.S_ISDIR(cloud.state.stat().st_mode)
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    port = f"{cloud.port:04X}"
    assert [address for address in listening if address.endswith(f":{port}") and address.startswith("0100007F")]
    assert not [address for address in listening if address == f"00000000:{port}"]


def test_an_interrupted_start_leaves_nothing(fresh: LocalCloud) -> None:
    command = [sys.executable, "-m", "localcloud", "start"]
    with subprocess.Popen(
        command, cwd=ROOT, env=fresh.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as start:
        assert start.stdout is not None
        assert "Starting the local cloud" in start.stdout.readline()
        start.send_signal(signal.SIGINT)
        _, said = start.communicate()
    # Where it was ready before the interrupt came, there was nothing to stop.
    assert (start.returncode, said) in ((130, "Stopped.\n"), (0, ""))
    if start.returncode:
        wait_until(lambda: daemon.find(fresh.state) is None, "the serving process to end")
