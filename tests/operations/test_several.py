"""Several databases of one stack: a real server behind a stand-in for the engine, which says where they are."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrator.servers import PASSWORD, Database, PostgreSQL
from tests.operations.conftest import ROOT, Finished, Trellis
from trellis.policies.kinds import STACK

SYSTEM = """\
name: demo
region: nyc1
network: {ip_range: 10.0.0.0/16}
clusters:
  one:
    name: one-db
    version: "17"
    users: [app]
    databases: {orders: {roles: {app_role: app}}, events: {}}
  two:
    name: two-db
    version: "17"
    users: [app]
    databases: {events: {migrations: demo/more}}
alerts: {emails: [ops@demo.dev]}
"""
FOLDERS = ("orders", "events", "more")

Stack = Callable[..., Finished]


@pytest.fixture
def stack(trellis: Trellis, server: PostgreSQL, tmp_path: Path) -> Stack:
    """The command in a project of three databases."""
    names = {"one-db/orders": "demo_orders", "one-db/events": "demo_events", "two-db/events": "demo_more"}
    with server.connect() as connection:
        for name in names.values():
            connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    (tmp_path / "Pulumi.yaml").write_text("name: trellis\n")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "demo.yaml").write_text(SYSTEM)
    for folder in FOLDERS:
        path = tmp_path / "migrations" / "demo" / folder
        path.mkdir(parents=True)
        (path / "V1__Table.sql").write_text(f"CREATE TABLE {folder} (id bigint);")
    uris: dict[str, dict[str, str]] = {}
    for name, database in names.items():
        cluster, _, key = name.partition("/")
        uri = f"postgresql://admin:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}/{database}?sslmode=prefer"
        uris.setdefault(cluster, {})[key] = uri
    outputs = {"direct_uris": uris, "ca_certificates": dict.fromkeys(uris, "a certificate")}
    state = {"deployment": {"resources": [{"type": STACK, "outputs": outputs}]}}
    config = {"trellis:system": {"value": "demo", "secret": False}}
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    # Not in its first line, where no path with a space in it can stand.
    program = f"import json, sys; print(json.dumps({config!r} if sys.argv[1] == 'config' else {state!r}))"
    engine.write_text(f'#!/bin/sh\nexec {shlex.join((sys.executable, "-c", program))} "$@"\n')
    engine.chmod(0o755)
    return lambda *arguments: trellis(*arguments, PATH=str(engine.parent))


def test_one_that_fails_does_not_stop_the_others(stack: Stack, server: PostgreSQL, tmp_path: Path) -> None:
    for folder in ("orders", "more"):
        (tmp_path / "migrations" / "demo" / folder / "V2__Bad.sql").write_text("SELECT broken;")
    done = stack("migrate")
    assert done.code == 1
    for name in ("one-db/orders", "two-db/events"):
        assert f"error: {name}: " in done.err
        assert f"{name}: V1__Table.sql applied" in done.err
    assert "error: 2 of 3 databases failed: one-db/orders, two-db/events." in done.err
    assert "one-db/events\n1 migration applied" in done.out
    assert Database(server, "demo_events").rows("SELECT count(*) FROM events") == [(0,)]

    again = stack("migrate", "--json")
    results = json.loads(again.out)
    assert results["ok"] is False
    assert {one["database"]: one["ok"] for one in results["databases"]} == {
        "one-db/orders": False,
        "one-db/events": True,
        "two-db/events": False,
    }
    assert results["databases"][0]["error"]["file"] == "migrations/demo/orders/V2__Bad.sql"


def test_a_stack_of_before_has_no_reviewer_and_is_reached_all_the_same(stack: Stack) -> None:
    assert stack("migrate").code == 0
    done = stack("check", "--reviewer", "--no-shadow", "--json")
    assert done.code == 0, done.err
    assert [one["files"] for one in json.loads(done.out)["databases"]] == [0, 0, 0]


def test_an_interruption_stops_the_work_on_every_database(stack: Stack, server: PostgreSQL, tmp_path: Path) -> None:
    for folder in FOLDERS:
        (tmp_path / "migrations" / "demo" / folder / "V2__Long.sql").write_text("SELECT pg_sleep(300);")
    running = subprocess.Popen(
        [sys.executable, "-m", "trellis", "migrate"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while Database(server, "postgres").rows(asleep) != [(len(FOLDERS),)]:
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 130
    assert "run the same command again to go on" in said
    assert Database(server, "postgres").rows(asleep) == [(0,)]


def test_names_narrow_and_an_ambiguous_one_is_refused(stack: Stack) -> None:
    assert stack("migrate", "orders").code == 0
    listed = json.loads(stack("info", "two-db/events", "orders", "--json").out)["databases"]
    assert [(one["database"], one["pending"]) for one in listed] == [("two-db/events", 1), ("one-db/orders", 0)]
    unclear = stack("info", "events")
    assert unclear.code == 2
    assert "'events' is in several clusters. Say which: one-db/events, two-db/events." in unclear.err


def test_a_complaint_about_the_settings_is_passed_on(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "systems" / "demo.yaml").write_text(SYSTEM.replace("region: nyc1", "region: atlantis"))
    done = stack("info")
    assert done.code == 1
    assert "systems/demo.yaml" in done.err
    assert "'atlantis' is no region" in done.err
