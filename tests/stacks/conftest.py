"""Villa, deployed once for the tests of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stacks.harness import LocalStack, local_stack, program_copy
from trellis.development.bring import Parts, bring


@pytest.fixture(scope="session")
def parts() -> Parts:
    """Pulumi, PostgreSQL and PgBouncer."""
    return bring()


@pytest.fixture(scope="module")
def villa(parts: Parts) -> Iterator[LocalStack]:
    """Villa at launch without its DNS names, up and running on a local cloud of its own."""
    with program_copy() as program, deployed(parts, program) as stack:
        yield stack


@contextmanager
def deployed(parts: Parts, root: Path) -> Iterator[LocalStack]:
    """Villa as the program in this folder has it."""
    with local_stack(parts, root=root) as stack:
        stack.configure(connectionFiles=str(stack.workspace.folder / "files"))
        stack.up()
        yield stack
