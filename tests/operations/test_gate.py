"""Clients wait through a cut at a PgBouncer of the team's own, and none of them notices."""

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.migrator.servers import ADMIN, PASSWORD, pgbouncer_in, server_folder
from tests.operations.load import Load, loaded
from tests.operations.test_move import APP, DATABASE, followed, pair, servers
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move import cutting, gates
from trellis.operations.move.sides import Pair, Side

__all__ = ["pair", "servers"]

# What a team would write: the file that PgBouncer reads, made of what it is told.
WRITER = f"""
import json, pathlib, sys
told = json.load(sys.stdin)
line = "{DATABASE} = host={{host}} port={{port}} dbname={DATABASE}".format(**told)
pathlib.Path(sys.argv[1]).write_text("[databases]\\n" + line + "\\n")
"""
# What a login costs is not what is measured.
SETTINGS = {"auth_type": "plain", "pool_mode": "transaction", "max_client_conn": 3000, "default_pool_size": 20}


def way(side: Side) -> str:
    return f"{DATABASE} = host={side.peer['host']} port={side.peer['port']} dbname={DATABASE}"


def uri(port: int, user: str = APP, database: str = DATABASE) -> str:
    return f"host=127.0.0.1 port={port} user={user} password='{PASSWORD}' dbname={database}"


@contextmanager
def gate(pair: Pair) -> Iterator[tuple[gates.Gate, int]]:
    """A gate that leads to the old side, and its port."""
    with server_folder() as folder, pgbouncer_in(folder, way(pair.old), APP, **SETTINGS) as port:
        writer = folder / "write.py"
        writer.write_text(WRITER)
        command = f"{sys.executable} {writer} {folder / 'databases.ini'}"
        yield gates.Gate(url=uri(port, ADMIN, "pgbouncer"), command=command), port


def cut_at(gate: gates.Gate, pair: Pair, *, to_new: bool) -> tuple[float, float]:
    """The seconds that clients waited, and those in which no side took writes."""
    passed = gates.through(gate, [pair], [], to_new=to_new)
    with passed as passage, cutting.cut([pair], to_new=to_new, first=passage.hold) as done:
        passage.let_in(done)
    assert isinstance(passage, gates.Passage)
    return passage.waited, done.pause


def ticks(side: Side) -> int:
    with side.connect() as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM public.audit_log WHERE action = 'tick'").fetchall()
    return int(count)


def measured(pair: Pair, clients: int) -> tuple[Load, list[tuple[float, float]]]:
    """A cut there and back, with so many clients at the gate; the seconds of each, as `cut_at` gives them."""
    followed(pair)
    with gate(pair) as (held, port), loaded([uri(port)], clients) as load:
        pauses = []
        for to_new in (True, False):
            pauses.append(cut_at(held, pair, to_new=to_new))
            rows, until = ticks(pair.new if to_new else pair.old), time.monotonic() + 60
            while ticks(pair.new if to_new else pair.old) == rows:
                assert time.monotonic() < until, "nobody writes after the cut"
                time.sleep(0.1)
        load.end()
    return load, pauses


@pytest.mark.soak(short=30, long=1000)
def test_nobody_at_the_gate_notices(pair: Pair, rounds: int, capsys: pytest.CaptureFixture[str]) -> None:
    """As many clients as rounds write through a gate while a database is cut over, and back: no transaction fails, and
    every row is on both sides."""
    load, _ = measured(pair, rounds)
    assert load.failed == {}
    # PgBouncer takes the logins that PAUSE cuts short for failures, and would wait for 15 s after RESUME.
    assert load.longest < 15
    assert cutting.is_close_behind(pair.old, pair.new)
    assert ticks(pair.old) == ticks(pair.new) == load.committed > rounds
    assert capsys.readouterr().out.count(" at the gate, ") == 2


def refused(pair: Pair, clients: int) -> Load:
    """A cut with so many clients of a pool on each side, and no gate."""
    followed(pair)
    with (
        server_folder() as here,
        server_folder() as there,
        pgbouncer_in(here, way(pair.old), APP, **SETTINGS) as old,
        pgbouncer_in(there, way(pair.new), APP, **SETTINGS) as new,
        loaded([uri(old), uri(new)], clients) as load,
    ):
        with cutting.cut([pair], to_new=True):
            pass
        rows, until = ticks(pair.new), time.monotonic() + 60
        while ticks(pair.new) < rows + clients:
            assert time.monotonic() < until, "nobody writes after the cut"
            time.sleep(0.1)
        load.end()
    return load


def test_without_a_gate_each_client_is_refused_at_the_cut_and_never_else(pair: Pair) -> None:
    load = refused(pair, 30)
    # Who is quick finds the new side closed too, and is refused again.
    assert load.failed.keys() == {"25006"}
    assert load.failed["25006"] >= 30
    assert ticks(pair.new) == load.committed


def test_a_transaction_that_does_not_end_leaves_the_gate_as_it_was(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    followed(pair)
    monkeypatch.setattr(gates, "_PATIENCE", 1.0)
    with gate(pair) as (held, port), psycopg.connect(uri(port), prepare_threshold=None) as open_one:
        open_one.execute("SELECT 1")
        with pytest.raises(OperationError, match="has kept a connection at the gate"):
            cut_at(held, pair, to_new=True)
        open_one.rollback()
        assert cutting.serving(pair) is pair.old
        with psycopg.connect(uri(port), prepare_threshold=None) as other:
            other.execute("INSERT INTO public.audit_log (address, action) VALUES ('a', 'tick')")
        # What was killed while the gate was closed is gone on with.
        held._ask("PAUSE")
        cut_at(held, pair, to_new=True)
        assert cutting.serving(pair) is pair.new
        with psycopg.connect(uri(port), prepare_threshold=None) as other:
            other.execute("INSERT INTO public.audit_log (address, action) VALUES ('a', 'tick')")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo no such host; exit 3", "ended with 3: no such host"),
        ("true", "did not write the file that PgBouncer reads"),
    ],
)
def test_a_configuration_that_is_not_written_stops_before_the_cut(pair: Pair, command: str, told: str) -> None:
    followed(pair)
    with gate(pair) as (held, port):
        broken = gates.Gate(url=held.url, command=command)
        with pytest.raises(OperationError, match=told):
            cut_at(broken, pair, to_new=True)
        assert cutting.serving(pair) is pair.old
        with psycopg.connect(uri(port), prepare_threshold=None) as client:
            client.execute("INSERT INTO public.audit_log (address, action) VALUES ('a', 'tick')")


def test_half_a_gate_and_one_that_is_not_there() -> None:
    with pytest.raises(WrongCall, match="belong together"):
        gates.Gate.of(Namespace(gate="host=127.0.0.1", gate_config=None))
    assert gates.Gate.of(Namespace(gate=None, gate_config=None)) is None
    nobody = gates.Gate.of(Namespace(gate="host=127.0.0.1 port=1 dbname=pgbouncer", gate_config="true"))
    assert nobody
    with pytest.raises(OperationError, match="The gate's console: "):
        nobody.check()


def test_what_the_command_is_told(pair: Pair) -> None:
    resources: list[dict[str, Any]] = [
        {"type": "digitalocean:index/databaseCluster:DatabaseCluster", "urn": f"u::{pair.old.cluster}", "id": "c"},
        {
            "type": "digitalocean:index/databaseUser:DatabaseUser",
            "urn": "u::app",
            "outputs": {"clusterId": "c", "name": APP, "password": "secret"},
        },
    ]
    told = gates.told([pair.old], resources)
    assert told == {
        "cluster": pair.old.cluster,
        "host": "127.0.0.1",
        "port": pair.old.peer["port"],
        "databases": [DATABASE],
        "users": {APP: "secret"},
    }
