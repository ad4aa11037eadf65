"""Real servers, in temporary folders, on free loopback ports."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.servers import CertificateAuthority, Cluster, Tools
from localcloud.servers.processes import within
from tests.localcloud.cloud import parts
from tests.localcloud.servers.clients import Place


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    # pytest's own temporary folders are closed to other accounts, and the servers run as one when the tests run as
    # root.
    folder = Path(tempfile.mkdtemp(prefix="servers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tools(state_folder: Path) -> Tools:
    programs = parts()
    return Tools.locate(programs.postgresql, programs.pgbouncer, state_folder, programs.valkey)


@pytest.fixture
def place(state_folder: Path, tools: Tools) -> Iterator[Place]:
    """An empty folder; whatever a test leaves running in it is a failure of the test."""
    yield from _place(state_folder, tools)


@pytest.fixture(scope="module")
def shared_place(state_folder: Path, tools: Tools) -> Iterator[Place]:
    yield from _place(state_folder, tools)


@pytest.fixture
def cluster(place: Place) -> Iterator[Cluster]:
    """A cluster of the test's own."""
    created = place.create()
    yield created
    created.destroy()


@pytest.fixture(scope="module")
def shared(shared_place: Place) -> Iterator[Cluster]:
    """A cluster for all tests of a file that do not change it for each other."""
    created = shared_place.create()
    yield created
    created.destroy()


def _place(state_folder: Path, tools: Tools) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(dir=state_folder))
    folder.chmod(0o755)
    place = Place(folder, tools, CertificateAuthority(folder / "ca"))
    place.ca_file.write_text(place.authority.pem)
    yield place
    left = within(folder)
    for path in (path for path in folder.iterdir() if path.is_dir()):
        Cluster.discard(path)
    shutil.rmtree(folder)
    assert not left, f"left running: {left}"
