"""What a clone without the contracts leaves out, said at the top of the run."""

import signal

import pytest

from tests.contracts import VARIABLE, locate

# Started in the background by a shell, this process ignores interrupts, and so would every program it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore = [] if locate("pulumi-digitalocean-schema.json") else ["providers/test_contract.py"]


def pytest_report_header() -> list[str]:
    """CI refuses to run without the contracts; a clone elsewhere goes on and says what it does not check."""
    if not collect_ignore:
        return []
    return [
        f"left out: no contracts found ({VARIABLE} names their folder). The local cloud's answers are not held against "
        "DigitalOcean's OpenAPI document, nor the bundled plugins against the official schemas."
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the workers end together."""
    items.sort(key=lambda item: ("tests/stacks" not in item.nodeid, "test_stack" not in item.nodeid))
