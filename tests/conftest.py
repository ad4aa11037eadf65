"""What a clone without the contracts, or a machine without root, leaves out: said at the top of the run."""

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contracts import VARIABLE, locate
from trellis.development.bring import cache_folder
from trellis.operations.processes import guard, heed_termination, sweep

# Started in the background by a shell, this process ignores interrupts, and so would every program it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.soak"]
_ends = pytest.StashKey[ExitStack]()

collect_ignore = [] if locate("pulumi-digitalocean-schema.json") else ["providers/test_contract.py"]


def pytest_configure(config: pytest.Config) -> None:
    """What tests start ends with them, however they end. A worker's processes carry the mark of the whole run."""
    heed_termination()
    ends = config.stash[_ends] = ExitStack()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        mark = ends.enter_context(guard(os.environ))
        ends.callback(sweep, mark)


def pytest_unconfigure(config: pytest.Config) -> None:
    """After the last fixture."""
    config.stash[_ends].close()


def _left_out() -> dict[str, str]:
    """Markers of the tests that this machine leaves out, and why. Root, so CI, leaves out nothing."""
    if os.geteuid() == 0:
        return {}
    reasons = {
        "droplets": "only root can start Droplets. Every test of them",
        "newcomer": "only root can make accounts. The walks of a newcomer through the README",
    }
    if not (shutil.which("java") and shutil.which("mvn")):
        reasons["flyway"] = "no Java and Maven. Every test that runs Flyway on the same database"
    if not all(map(shutil.which, ("node", "npm", "go", "java", "mvn"))):
        reasons["clients"] = "no Node, Go, or Java with Maven. Every program of docs/connect.md but Python's"
    return reasons


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder for what is fetched once: of the cache, where this account may write there."""

    def folder(name: str) -> Path:
        inside = cache_folder() / "clients" / name
        if inside.exists() or os.access(cache_folder(), os.W_OK):
            inside.mkdir(parents=True, exist_ok=True)
            return inside
        return tmp_path_factory.mktemp("clients")

    return folder


def pytest_report_header() -> list[str]:
    """CI refuses to run without the contracts; a clone elsewhere goes on and says what it does not check."""
    lines = [f"left out: {reason} (marked {marker})." for marker, reason in _left_out().items()]
    if collect_ignore:
        lines.append(
            f"left out: no contracts found ({VARIABLE} names their folder). The local cloud's answers are not held "
            "against DigitalOcean's OpenAPI document, nor the bundled plugins against the official schemas."
        )
    return lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first, so that the workers end together."""
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in _left_out())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    longest = ("tests/states", "tests/stacks", "tests/machine", "tests/workflows/test_walk", "test_stack", "")
    items.sort(key=lambda item: next(place for place, name in enumerate(longest) if name in item.nodeid))
