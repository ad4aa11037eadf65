"""The metrics endpoint of a cluster, as Prometheus reads it."""

import base64
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until

CREDENTIALS = "/v2/databases/metrics/credentials"


def scrape(cluster: dict[str, Any], login: dict[str, str], ca: Path | None) -> dict[str, float]:
    """The samples by name and labels, as text."""
    endpoint = cluster["metrics_endpoints"][0]
    account = f"{login['basic_auth_username']}:{login['basic_auth_password']}".encode()
    headers = {"authorization": f"Basic {base64.b64encode(account).decode()}"}
    request = Request(f"https://{endpoint['host']}:{endpoint['port']}/metrics", headers=headers)
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
    with opener.open(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    found = [re.fullmatch(r"(\w+\{.*\}) (\S+)", line) for line in lines if not line.startswith("#")]
    assert all(found), lines
    return {match[1]: float(match[2]) for match in found if match}


def of(samples: dict[str, float], name: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = [key for key in samples if key.startswith(f"{name}{{") and all(label in key for label in wanted)]
    assert found, f"no {name} {labels}"
    return sum(samples[key] for key in found)


@pytest.fixture(scope="module")
def login(cloud: LocalCloud) -> dict[str, str]:
    credentials: dict[str, str] = cloud.get(CREDENTIALS)["credentials"]
    return credentials


def test_the_numbers_are_those_of_the_servers(
    cloud: LocalCloud,
    cluster: dict[str, Any],
    login: dict[str, str],
    ca_file: Path,
    connect: Callable[..., psycopg.Connection[Any]],
) -> None:
    before = scrape(cluster, login, ca_file)
    assert of(before, "postgresql_max_connections") == 25
    assert of(before, "mem_total") == 2**30
    assert 0 < of(before, "mem_used_percent") < 100
    assert of(before, "disk_total") == 10 * 2**30
    with connect(cluster["connection"]) as session:
        session.execute("CREATE TABLE measured AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
        session.execute("DO $$ BEGIN FOR i IN 1 .. 3000000 LOOP END LOOP; END $$")

        def counted() -> bool:
            after = scrape(cluster, login, ca_file)
            idle = of(after, "postgresql_connections", db="defaultdb", state="idle")
            grown = of(after, "disk_used") - of(before, "disk_used") > 10_000_000
            commits = [of(sample, "postgresql_xact_commit", db="defaultdb") for sample in (before, after)]
            return idle >= 1 and grown and commits[1] > commits[0]

        wait_until(counted, "the metrics to show a session, its transactions and its table")
        session.execute("DROP TABLE measured")


def test_pools_and_replicas_are_measured(cloud: LocalCloud, login: dict[str, str], tmp_path: Path) -> None:
    made = cloud.create_cluster("measured")
    path = f"/v2/databases/{made['id']}"
    ca = tmp_path / "ca.pem"
    ca.write_bytes(base64.b64decode(cloud.ca(made["id"])))
    pool = cloud.post(f"{path}/pools", {"name": "seen", "mode": "transaction", "size": 2, "db": "defaultdb"})["pool"]
    cloud.post(f"{path}/replicas", {"name": "follower", "size": "db-s-1vcpu-1gb"})
    cloud.online(f"{path}/replicas/follower", "replica")
    admin = made["connection"]
    way = {"host": admin["host"], "port": pool["connection"]["port"], "dbname": "seen", "sslmode": "require"}
    with psycopg.connect(**way, user=admin["user"], password=admin["password"], prepare_threshold=None) as session:
        session.execute("SELECT 1")
        samples = scrape(made, login, ca)
        assert of(samples, "pgbouncer_pools_cl_active", db="seen", user="doadmin") == 1
        assert of(samples, "postgresql_replication_streaming", replica="follower") == 1
        assert of(samples, "postgresql_replication_lag_bytes", replica="follower") >= 0
    cloud.delete(path)
    wait_until(lambda: refused(made, login, ca), "the endpoint to go with its cluster")


def refused(cluster: dict[str, Any], login: dict[str, str], ca: Path) -> bool:
    try:
        scrape(cluster, login, ca)
    except HTTPError:
        return False
    except URLError:
        return True
    return False


def test_only_the_account_reads_them(
    cloud: LocalCloud, cluster: dict[str, Any], login: dict[str, str], ca_file: Path
) -> None:
    with pytest.raises(HTTPError, match="401"):
        scrape(cluster, login | {"basic_auth_password": "guessed"}, ca_file)
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        scrape(cluster, login, None)
    other = {"basic_auth_username": "scraper", "basic_auth_password": "correct horse"}
    cloud.put(CREDENTIALS, {"credentials": other}, 204)
    assert cloud.get(CREDENTIALS)["credentials"] == other
    assert of(scrape(cluster, other, ca_file), "system_n_cpus") == 1
    with pytest.raises(HTTPError, match="401"):
        scrape(cluster, login, ca_file)
    assert "correct horse" not in "".join(path.read_text("utf-8") for path in cloud.state.glob("*.json*"))
    cloud.put(CREDENTIALS, {"credentials": login}, 204)
