"""A cut under load: at a gate clients wait little longer than the servers need; without one each is refused once."""

from tests.operations.load import Load
from tests.operations.test_gate import measured, refused
from tests.operations.test_move import two_servers, villa_on

CLIENTS = (100, 1000)


def run() -> None:
    """Prints what became of the transactions of so many clients, and how long they waited, beside the cut itself."""
    with two_servers() as servers:
        for clients in CLIENTS:
            with villa_on(servers) as pair:
                load, cuts = measured(pair, clients)
            waited, needed = (" and ".join(f"{seconds:.2f}" for seconds in side) for side in zip(*cuts, strict=True))
            ratio = sum(waited for waited, _ in cuts) / sum(needed for _, needed in cuts)
            beyond = max(waited - needed for waited, needed in cuts)
            print(
                f"{clients} clients at a gate, cut over and back: {_told(load)}; they waited {ratio:.2f} x the cut "
                f"itself ({waited} s, {needed} s), {beyond:.2f} s beyond it; longest transaction {load.longest:.2f} s",
                flush=True,
            )
            with villa_on(servers) as pair:
                print(f"{clients} clients without a gate, cut over: {_told(refused(pair, clients))}", flush=True)


def _told(load: Load) -> str:
    failed = sum(load.failed.values())
    kinds = f" ({', '.join(f'{number} x {state}' for state, number in load.failed.items())})" if failed else ""
    return f"{failed} of {load.committed + failed:,} transactions failed{kinds}"
