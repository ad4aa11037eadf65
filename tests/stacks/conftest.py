"""Villa, deployed once for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.stacks.harness import LocalStack, local_stack
from trellis.development.bring import Parts, bring


@pytest.fixture(scope="session")
def parts() -> Parts:
    """Pulumi, PostgreSQL and PgBouncer."""
    return bring()


@pytest.fixture(scope="module")
def villa(parts: Parts) -> Iterator[LocalStack]:
    """Villa at launch, up and running on a local cloud of its own."""
    with local_stack(parts) as stack:
        stack.configure(connectionFiles=str(stack.workspace.folder / "files"))
        stack.up()
        yield stack
