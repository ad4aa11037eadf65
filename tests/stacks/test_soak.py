"""Killed at random moments, again and again, in an account that also holds somebody else's things."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pytest

from tests.stacks.harness import LocalStack, kill_when, local_stack, wait_for
from trellis.development.bring import Parts

DESTROY = ("destroy", "--yes", "--skip-preview")
ROWS = 1000
FILL = (
    "INSERT INTO profiles (address, nickname, nickname_normalized) "
    f"SELECT lpad(to_hex(n), 42, '0'), 'n' || n, 'n' || n FROM generate_series(1, {ROWS}) n"
)


class Foreign:
    """Somebody else's cluster with rows, their network, and alerts that are called like the stack's."""

    def __init__(self, stack: LocalStack) -> None:
        self._api = stack.api
        network = {"name": "villa-vpc-old", "region": "nyc1", "ip_range": "10.99.0.0/20"}
        order: dict[str, Any] = {
            "name": "villa-db-old",
            "engine": "pg",
            "version": "17",
            "size": "db-s-1vcpu-1gb",
            "region": "nyc1",
        }
        vpc = self._api("POST", "/v2/vpcs", network)["vpc"]["id"]
        order |= {"num_nodes": 1, "private_network_uuid": vpc, "tags": ["system:villa"]}
        self._cluster = f"/v2/databases/{self._api('POST', '/v2/databases', order)['database']['id']}"
        wait_for(lambda: bool(self._read()["status"] == "online"))
        for alert in self._api("GET", "/v2/monitoring/alerts")["policies"]:
            kept = {key: value for key, value in alert.items() if key != "uuid"}
            self._api("POST", "/v2/monitoring/alerts", kept | {"entities": [self._read()["id"]]})
        with self._connect() as connection:
            connection.execute(f"CREATE TABLE kept AS SELECT generate_series(1, {ROWS}) n")
        self._made = self.look()

    def look(self) -> list[Any]:
        """All of it, as it is now."""
        with self._connect() as connection:
            rows = connection.execute("SELECT count(*), sum(n) FROM kept").fetchone()
        alerts = self._api("GET", "/v2/monitoring/alerts")["policies"]
        return [
            rows,
            self._read(),
            [alert for alert in alerts if alert["entities"] == [self._read()["id"]]],
            [vpc for vpc in self._api("GET", "/v2/vpcs")["vpcs"] if vpc["name"] == "villa-vpc-old"],
        ]

    def is_untouched(self) -> bool:
        """Whether it is as it was made."""
        return self.look() == self._made

    def _read(self) -> dict[str, Any]:
        return dict(self._api("GET", self._cluster)["database"])

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._read()["connection"]["uri"], sslmode="require", autocommit=True)


@pytest.mark.soak(short=1, long=40)
def test_killed_at_random_moments(parts: Parts, rounds: int) -> None:
    """`up`, `recover`, a phase upgrade and `destroy` of Villa, each killed at a random moment in every round: the next
    run finishes, no row is lost, nothing is made twice, and nothing of somebody else's is touched."""
    with local_stack(parts) as stack:
        requests = {"recover": 12, "up": _sent(stack, stack.up)}
        foreign = Foreign(stack)
        stack.configure(phase="growth")
        requests["growth"] = _sent(stack, stack.up)
        requests["destroy"] = _sent(stack, lambda: stack.must(*DESTROY))
        for number in range(rounds):
            killer = Killer(stack, requests, f"round {number}")
            try:
                _round(stack, killer)
                assert foreign.is_untouched()
            except AssertionError as error:
                raise AssertionError("; ".join(killer.story)) from error


class Killer:
    """Runs a step and kills it at a random moment, the same in every run of a round.

    requests: how many each step sends when nobody disturbs it. story: what was killed, and when.
    """

    def __init__(self, stack: LocalStack, requests: Mapping[str, int], seed: str) -> None:
        self._stack = stack
        self._requests = requests
        self._chance = random.Random(seed)  # noqa: S311
        self.story = [seed]

    def __call__(self, step: str) -> None:
        """The moment is a little after one of the step's requests."""
        stack, of = self._stack, self._requests[step]
        request, seconds = self._chance.randrange(of), self._chance.uniform(0, 0.2)
        self.story.append(f"{step} killed {seconds:.3f} s after request {request} of {of}")
        destroy = ("pulumi", *DESTROY, "--non-interactive", "--stack", stack.name, "--config-file")
        command = {"recover": stack.command("recover"), "destroy": (*destroy, str(stack.config_file))}
        before = len(stack.journal())
        kill_when(stack, command.get(step, stack.command("up")), lambda: len(stack.journal(before)) > request, seconds)
        stack.stack.prepare()


def _round(stack: LocalStack, kill: Killer) -> None:
    stack.configure(phase="launch")
    kill("up")
    kill("recover")
    stack.up()
    with stack.connect(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        connection.execute(FILL)
    stack.configure(phase="growth")
    kill("growth")
    stack.up()
    stack.must("preview", "--expect-no-changes")
    with stack.connect(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (ROWS,)
    assert _own(stack) == {"vpcs": 1, "databases": 1, "apps": 2, "policies": 4}
    kill("destroy")
    stack.must(*DESTROY)
    assert _own(stack) == {"vpcs": 0, "databases": 0, "apps": 0, "policies": 0}


def _sent(stack: LocalStack, step: Callable[[], object]) -> int:
    """How many requests a step sends when nobody disturbs it."""
    before = len(stack.journal())
    step()
    return len(stack.journal(before))


def _own(stack: LocalStack) -> dict[str, int]:
    """How many of its things the stack has."""
    listed = {"vpcs": "vpcs", "databases": "databases", "apps": "apps", "policies": "monitoring/alerts"}
    # Everything of one kind, without somebody else's and without the account's own network.
    others = {"vpcs": 2, "databases": 1, "policies": 4}
    found = {root: len(stack.api("GET", f"/v2/{path}").get(root) or ()) for root, path in listed.items()}
    return {root: number - others.get(root, 0) for root, number in found.items()}
