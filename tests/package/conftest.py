"""One machine for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.package.machine import Machine
from tests.stacks.harness import open_folder


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Where the wheels are installed, and nothing of the checkout is seen."""
    with open_folder() as folder:
        machine = Machine(folder=folder)
        machine.make()
        yield machine
