"""One local cloud, and one cluster in it, for all tests that do not need their own."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.contracts import locate
from tests.localcloud.cloud import LocalCloud
from tests.localcloud.contract import DOCUMENT, Contract


@pytest.fixture(scope="session")
def openapi() -> Contract | None:
    path = locate(DOCUMENT)
    return Contract(path) if path else None


@pytest.fixture(scope="session")
def make_cloud(openapi: Contract | None) -> Iterator[Callable[..., LocalCloud]]:
    made: list[LocalCloud] = []

    def make(**options: Any) -> LocalCloud:
        cloud = LocalCloud(openapi, **options)
        made.append(cloud)
        cloud.start()
        return cloud

    yield make
    for cloud in made:
        if cloud.state.exists():
            cloud.remove()


@pytest.fixture(scope="session")
def cloud(make_cloud: Callable[..., LocalCloud]) -> LocalCloud:
    return make_cloud(zones=("villa.test", "other.test"))


@pytest.fixture(scope="session")
def cluster(cloud: LocalCloud) -> dict[str, Any]:
    """A cluster for tests of what is inside one. They clean up behind themselves."""
    return cloud.create_cluster("shared")


@pytest.fixture(scope="session")
def ca_file(cloud: LocalCloud, cluster: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(base64.b64decode(cloud.ca(cluster["id"])))
    return path


@pytest.fixture(scope="session")
def connect(ca_file: Path) -> Callable[..., psycopg.Connection[Any]]:
    """Opens a connection, the server's certificate and name verified."""

    def open_connection(way_in: dict[str, Any], **options: Any) -> psycopg.Connection[Any]:
        uri = way_in["uri"].replace("sslmode=require", "sslmode=verify-full")
        return psycopg.connect(uri, sslrootcert=str(ca_file), connect_timeout=30, autocommit=True, **options)

    return open_connection
