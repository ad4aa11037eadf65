"""Villa, deployed once for the tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stacks.harness import LocalStack
from tools.bring import Parts, bring


@pytest.fixture(scope="session")
def parts() -> Parts:
    """Pulumi, PostgreSQL and PgBouncer."""
    return bring()


@pytest.fixture(scope="module")
def villa(tmp_path_factory: pytest.TempPathFactory, parts: Parts) -> Iterator[LocalStack]:
    """Villa at launch, up and running on a local cloud of its own."""
    stack = LocalStack(reachable(tmp_path_factory.mktemp("villa")), parts)
    stack.start()
    try:
        stack.up()
        yield stack
    finally:
        stack.stop()


def reachable(folder: Path) -> Path:
    # pytest closes its folders to others; the account that servers run as must get through to its own.
    for parent in (folder, *folder.parents):
        if parent.owner() == folder.owner() and parent != Path(parent.anchor):
            parent.chmod(parent.stat().st_mode | 0o011)
        if parent.parent == Path("/tmp"):
            break
    return folder
