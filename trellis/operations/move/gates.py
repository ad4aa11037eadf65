"""A gate: a PgBouncer of the team's own, at which clients wait through a cut instead of being refused."""

import json
import os
import socket
import subprocess
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import dict_row

from trellis.operations.engine import resource
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move.cutting import Cut
from trellis.operations.move.sides import Pair, Side
from trellis.operations.terminal import say
from trellis.policies.kinds import CLUSTER, USER

# How long transactions that are open at the gate may take to end, in seconds. New ones wait meanwhile.
_PATIENCE = 10.0
# How long the command may take that writes the gate's configuration, in seconds. Nobody waits for it.
_WRITING = 120.0
# PAUSE cuts logins to the old server short, which PgBouncer takes for a failure: without this it would refuse clients,
# or let them wait, for the fifteen seconds of server_login_retry after RESUME.
_NO_RETRY = "SET server_login_retry = 0"
# Until logins to the other server have been made, in seconds.
_SETTLED = 1.0

# What a gate is told of a cluster, as JSON on the standard input of the command.
Target = Mapping[str, Any]
Console = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A PgBouncer and who may write its configuration.

    url: of its admin console, as a user of `admin_users`. command: makes its configuration lead to the cluster that it
    is told on its standard input. It is run by a shell, and does not reload.
    """

    url: str
    command: str

    @classmethod
    def of(cls, options: Namespace) -> "Gate | None":
        """The one that the command line names. Raises WrongCall for half of one."""
        if bool(options.gate) != bool(options.gate_config):
            raise WrongCall("--gate and --gate-config belong together: where it is, and what writes its configuration.")
        return cls(url=options.gate, command=options.gate_config) if options.gate else None

    def check(self) -> None:
        """Raises OperationError where the console cannot be reached."""
        with self._console() as console:
            console.execute("SHOW VERSION")

    @contextmanager
    def leading(self, source: Target, target: Target) -> Iterator["Passage"]:
        """Leads to the target those that the passage lets in; where it lets nobody in, they go on to the source.

        Raises OperationError, before anybody waits, where the configuration cannot be written.
        """
        with self._console() as console:
            passage = Passage(console=console, target=target)
            try:
                self._write(target)
                yield passage
            finally:
                if not passage.waited:
                    self._go_on(source)
                # Gives the setting of `_NO_RETRY` back, when logins have been made again.
                time.sleep(_SETTLED)
                self._ask("RELOAD")

    def _write(self, target: Target) -> None:
        try:
            done = subprocess.run(
                ("sh", "-c", self.command),
                input=json.dumps(target),
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_WRITING,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OperationError(f"--gate-config did not end within {_WRITING:.0f} s.") from None
        if done.returncode:
            raise OperationError(f"--gate-config ended with {done.returncode}: {done.stdout.strip()[-500:]}")

    def _go_on(self, source: Target) -> None:
        """Its clients go on where they were. Every step is tried."""
        failures = []
        steps = (partial(self._write, source), *(partial(self._ask, one) for one in ("RELOAD", _NO_RETRY, "RESUME")))
        for step in steps:
            try:
                step()
            except OperationError as error:
                failures.append(str(error))
        if failures:
            say(f"error: the gate may not lead to {source['cluster']}, or hold its clients: {'; '.join(failures)}")

    def _ask(self, command: str) -> None:
        with self._console() as console:
            _tell(console, command)

    @contextmanager
    def _console(self) -> Iterator[Console]:
        try:
            with psycopg.connect(self.url, autocommit=True, connect_timeout=15, row_factory=dict_row) as console:
                yield console
        except psycopg.Error as error:
            raise OperationError(f"The gate's console: {str(error).strip()}") from None


class Passage:
    """A gate while a cut is made. waited: the seconds that its clients did, once they were let in."""

    def __init__(self, *, console: Console, target: Target) -> None:
        self.waited = 0.0
        self._console, self._target = console, target
        self._started = 0.0

    def hold(self) -> None:
        """Lets open transactions end and nobody begin another; then reads the configuration.

        Raises OperationError where one does not end, and where the configuration leads where it did.
        """
        before = _ways(self._console)
        self._started = time.monotonic()
        said: list[Exception] = []

        def pause() -> None:
            try:
                _tell(self._console, "PAUSE")
            except psycopg.Error as error:
                said.append(error)

        asking = threading.Thread(target=pause, daemon=True)
        asking.start()
        asking.join(_PATIENCE)
        if asking.is_alive():
            # PgBouncer answers it with nothing but the end of the last transaction, whatever is said meanwhile.
            with socket.socket(fileno=os.dup(self._console.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
            asking.join()
            raise OperationError(
                f"For {_PATIENCE:.0f} s a transaction, or in session mode a client, has kept a connection at the gate. "
                "Its clients go on as before. Try again when it has ended."
            )
        if said:
            raise OperationError(f"The gate's console: {str(said[0]).strip()}")
        for command in ("RELOAD", _NO_RETRY):
            _tell(self._console, command)
        ways, host, port = _ways(self._console), self._target["host"], self._target["port"]
        if ways == before and (host, port) not in ways:
            raise OperationError(
                f"After RELOAD the gate leads where it did, not to {self._target['cluster']} ({host}, port {port}): "
                "--gate-config did not write the file that PgBouncer reads."
            )

    def let_in(self, cut: Cut) -> None:
        """Its clients go on, to the other cluster."""
        _tell(self._console, "RESUME")
        self.waited = time.monotonic() - self._started
        say(f"Clients waited {self.waited:.2f} s at the gate, {self.waited - cut.pause:.2f} s beyond the cut.")


class NoGate:
    """Nobody waits: clients are refused at the cut."""

    def hold(self) -> None:
        """Nothing."""

    def let_in(self, cut: Cut) -> None:
        """Nothing."""


def _tell(console: Console, command: str) -> None:
    """One command. That the gate is paused, or is not, already is no error: a run that was killed left it so."""
    try:
        console.execute(command.encode())
    except psycopg.Error as error:
        if "paused" not in str(error) and "suspended" not in str(error):
            raise


def _ways(console: Console) -> set[tuple[Any, Any]]:
    """Host and port of every database that it leads to."""
    return {(row["host"], str(row["port"])) for row in console.execute("SHOW DATABASES").fetchall() if row["host"]}


@contextmanager
def through(
    gate: Gate | None, pairs: Sequence[Pair], resources: Sequence[Mapping[str, Any]], *, to_new: bool
) -> Iterator[Passage | NoGate]:
    """The way of clients through a cut, by a gate where there is one. resources: the stack's, with the passwords."""
    if gate is None:
        yield NoGate()
        return
    source, target = (told([pair.way(to_new=to_new)[end] for pair in pairs], resources) for end in (0, 1))
    with gate.leading(source, target) as passage:
        yield passage


def told(sides: Sequence[Side], resources: Sequence[Mapping[str, Any]]) -> Target:
    """What the command is told: where the cluster is, and its users with the passwords that they have there."""
    first = sides[0]
    made = resource(resources, CLUSTER, first.cluster)
    users = [one["outputs"] for one in resources if made and one["type"] == USER]
    return {
        "cluster": first.cluster,
        "host": first.peer["host"],
        "port": first.peer["port"],
        "databases": [side.database for side in sides],
        "users": {one["name"]: one["password"] for one in users if made and one["clusterId"] == made["id"]},
    }
