"""Villa on the local cloud with the real engine: from launch to scale and away again, in this order."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from tests.stacks.conftest import deployed
from tests.stacks.harness import LocalStack, from_address, servers_of
from tools import ROOT
from trellis.development.bring import Parts
from trellis.migrator import Target
from trellis.operations.deployment import deploy
from trellis.operations.engine import Engine
from trellis.operations.move.gates import told
from trellis.operations.move.sides import Side
from trellis.operations.preview_report.preview import read

PROFILE = "INSERT INTO profiles (address, nickname, nickname_normalized) VALUES (%s, %s, %s) RETURNING id"


@pytest.fixture(scope="module")
def villa(parts: Parts) -> Iterator[LocalStack]:
    """With its DNS names."""
    with deployed(parts, ROOT) as stack:
        yield stack


def _pooled(villa: LocalStack) -> str:
    return str(villa.outputs()["pooled_uris"]["villa-db"]["villa-pool"])


def _direct(villa: LocalStack) -> str:
    return str(villa.outputs()["direct_uris"]["villa-db"]["villa"])


def test_a_profile_is_written_through_the_pool_and_updated_at_moves(villa: LocalStack) -> None:
    with villa.connect(_pooled(villa)) as connection:
        assert connection.execute(PROFILE, ("0x" + "1" * 40, "first", "first")).fetchone()
        connection.execute("UPDATE profiles SET nickname = 'First' WHERE nickname_normalized = 'first'")
        row = connection.execute("SELECT updated_at > created_at FROM profiles").fetchone()
    assert row == (True,)


def test_a_command_asks_pulumi_twice(villa: LocalStack, tmp_path: Path) -> None:
    """Each question takes half a second: pulumi derives a key from the passphrase first."""
    path = villa.stack.environment["PATH"]
    asked = tmp_path / "asked"
    program = tmp_path / "pulumi"
    program.write_text(f'#!/bin/sh\necho "$1" >> {asked}\nexec {shutil.which("pulumi", path=path)} "$@"\n')
    program.chmod(0o755)
    environment = {**villa.stack.environment, "PATH": f"{tmp_path}:{path}"}
    for name, *options in (("status",), ("backup", "--to", str(tmp_path))):
        asked.write_text("")
        subprocess.run((*villa.command(name), *options), cwd=villa.root, env=environment, check=True)
        assert asked.read_text().split() == ["config", "stack"], name


@pytest.fixture
def engine(villa: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Engine:
    for name in ("PATH", "PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(name, villa.stack.environment[name])
    monkeypatch.chdir(villa.root)
    return Engine(villa.name, villa.config_file)


def test_the_config_file_is_changed_in_one_move(villa: LocalStack, engine: Engine) -> None:
    file = villa.config_file
    before, mode = file.read_text(), file.stat().st_mode
    # Whoever has the old one open reads all of it.
    with file.open() as old:
        engine.set_object("trellis:trial", {"a": "b"})
        assert old.read() == before
    assert (json.loads(engine.configuration()["trellis:trial"]), file.stat().st_mode) == ({"a": "b"}, mode)
    # Another process may change it too.
    Engine(villa.name, file).forget("trellis:trial")
    assert "trellis:trial" not in engine.configuration()
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(before)


def test_outputs_are_read_out_of_the_state_as_pulumi_reads_them(villa: LocalStack, engine: Engine) -> None:
    deployed = engine.deployed()
    assert deployed.outputs == villa.outputs()
    # What a gate's command is told.
    (cluster,) = villa.api("GET", "/v2/databases")["databases"]
    peer = {key: str(value) for key, value in conninfo_to_dict(_direct(villa)).items()}
    side = Side(cluster="villa-db", database="villa", target=Target(peer), peer=peer)
    users = told([side], deployed.resources)["users"]
    asked = villa.api("GET", f"/v2/databases/{cluster['id']}/users")["users"]
    assert users == {one["name"]: one["password"] for one in asked if one["role"] == "normal"} != {}


@pytest.mark.parametrize("statement", ["CREATE TABLE intruder (id int)", "DROP TABLE profiles"])
def test_the_application_user_changes_no_table(villa: LocalStack, statement: str) -> None:
    with villa.connect(_pooled(villa)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_a_preview_after_up_and_after_refresh_is_empty(villa: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a shell behind a proxy, which leads to no machine's own loopback.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    villa.must("preview", "--expect-no-changes")
    villa.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    villa.must("preview", "--expect-no-changes")
    before = len(villa.journal())
    villa.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert villa.changes(before) == []


def test_60_clients_work_through_the_pool_at_once(villa: LocalStack) -> None:
    uri, authority = _pooled(villa), str(villa.authority())
    together = threading.Barrier(60, timeout=120)

    def work(number: int) -> int:
        with psycopg.connect(uri, sslrootcert=authority, prepare_threshold=None, connect_timeout=120) as connection:
            together.wait()
            row = connection.execute("SELECT %s::int + count(*) * 0 FROM profiles", (number,)).fetchone()
            assert row
            return int(row[0])

    with ThreadPoolExecutor(60) as workers:
        assert sorted(workers.map(work, range(60))) == list(range(60))


def test_the_23rd_direct_connection_is_refused(villa: LocalStack) -> None:
    uri, authority = _direct(villa), str(villa.authority())
    _let_the_pool_go_idle(villa)
    held: list[psycopg.Connection[object]] = []
    try:
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
            held.extend(psycopg.connect(uri, sslrootcert=authority) for _ in range(40))
        assert len(held) + _pool_connections(villa, held[0]) == 22
    finally:
        for connection in held:
            connection.close()


def _let_the_pool_go_idle(villa: LocalStack) -> None:
    # Nothing to do but to wait a moment for the 60 clients' last transactions; the pool's idle servers are counted.
    with villa.connect(_direct(villa)) as connection:
        connection.execute("SELECT pg_sleep(0.1)")


def _pool_connections(villa: LocalStack, connection: psycopg.Connection[object]) -> int:
    row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'villa_app'").fetchone()
    assert row
    return int(row[0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("direct", 'no pg_hba.conf entry for host "127.9.9.9"'), ("pooled", "login rejected")],
)
def test_a_client_that_is_no_trusted_source_is_refused_and_told_so(villa: LocalStack, kind: str, message: str) -> None:
    uri = _direct(villa) if kind == "direct" else _pooled(villa)
    part = urlsplit(uri)
    with (
        from_address("127.9.9.9", str(part.hostname), int(part.port or 0)) as port,
        pytest.raises(psycopg.OperationalError, match=message),
    ):
        psycopg.connect(uri, sslrootcert=str(villa.authority()), hostaddr="127.0.0.1", port=port, connect_timeout=30)


def test_no_secret_stands_in_state_or_journal_in_plain_text(villa: LocalStack) -> None:
    outputs = villa.outputs()
    secrets = {
        str(urlsplit(uri).password)
        for kind in ("direct_uris", "pooled_uris")
        for uris in outputs[kind].values()
        for uri in uris.values()
    }
    assert len(secrets) == 2
    printed = villa.pulumi("stack", "output").text + villa.must("preview", "--diff")
    for text in (villa.state(), printed, str(villa.journal())):
        for secret in secrets:
            assert secret not in text


def test_an_app_gets_an_environment_that_connects(villa: LocalStack) -> None:
    script = villa.stack.run("python", "-m", "localcloud", "env", "villa-api")
    shown = subprocess.run(["sh", "-c", script + "env -0"], capture_output=True, check=True, text=True).stdout
    environment = dict(entry.split("=", 1) for entry in shown.split("\0") if "=" in entry)
    authority = villa.workspace.folder / "app.crt"
    authority.write_text(environment["DATABASE_CA_CERT"])
    with psycopg.connect(environment["DATABASE_URL"], sslrootcert=str(authority), prepare_threshold=None) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row == ("villa_app",)


def test_a_changed_password_reaches_the_app_and_leaves_the_schema_alone(villa: LocalStack) -> None:
    cluster = _cluster_id(villa)
    before = _pooled(villa)
    app = next(app for app in villa.api("GET", "/v2/apps")["apps"] if app["spec"]["name"] == "villa-api")
    deployments = villa.api("GET", f"/v2/apps/{app['id']}/deployments")["meta"]["total"]
    villa.api("POST", f"/v2/databases/{cluster}/users/villa_app/reset_auth")
    text = villa.up()
    assert "villa-db-villa-migrations" not in text or "unchanged" in text
    assert _pooled(villa) != before
    assert villa.api("GET", f"/v2/apps/{app['id']}/deployments")["meta"]["total"] == deployments + 1
    with villa.connect(_pooled(villa)) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (1,)
    villa.must("preview", "--expect-no-changes")


def test_growth_loses_no_committed_row_while_a_client_writes(villa: LocalStack) -> None:
    uri, authority = _pooled(villa), str(villa.authority())
    cluster = _cluster_id(villa)
    stop = threading.Event()
    committed: list[str] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            try:
                with psycopg.connect(
                    uri, sslrootcert=authority, autocommit=True, prepare_threshold=None, connect_timeout=10
                ) as connection:
                    while not stop.is_set():
                        number += 1
                        connection.execute(
                            "INSERT INTO audit_log (address, action) VALUES (%s, 'tick')", (str(number),)
                        )
                        committed.append(str(number))
                        time.sleep(0.01)
            except psycopg.Error:
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        _grow(villa, "growth")
        after = len(committed)
        deadline = time.monotonic() + 60
        while len(committed) == after and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        writer.join()
    assert len(committed) > after > 0
    with villa.connect(_direct(villa)) as connection:
        rows = {row[0] for row in connection.execute("SELECT address FROM audit_log WHERE action = 'tick'")}
        limit = connection.execute("SHOW max_connections").fetchone()
    assert set(committed) <= rows
    assert limit == ("50",)
    assert _cluster_id(villa) == cluster
    villa.must("preview", "--expect-no-changes")


def test_scale_adds_a_replica_that_streams_and_refuses_writes(villa: LocalStack) -> None:
    cluster = _cluster_id(villa)
    _grow(villa, "scale")
    assert _cluster_id(villa) == cluster
    outputs = villa.outputs()
    assert outputs["monthly_cost_usd"] == 131.80
    (replica,) = outputs["replica_uris"]["villa-db"].values()
    with villa.connect(_pooled(villa)) as connection:
        connection.execute(PROFILE, ("0x" + "2" * 40, "second", "second"))
    with villa.connect(replica) as connection:
        deadline = time.monotonic() + 60
        while connection.execute("SELECT count(*) FROM profiles").fetchone() != (2,):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(PROFILE, ("0x" + "3" * 40, "third", "third"))
    villa.must("preview", "--expect-no-changes")


def test_a_phase_below_the_deployed_one_stops_before_anything_changes(villa: LocalStack) -> None:
    villa.configure(phase="growth")
    before = len(villa.journal())
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        text = villa.fails(*command)
        assert "trellis:phase is growth, but scale is deployed" in text
    assert villa.changes(before) == []
    villa.configure(phase="scale")
    villa.must("preview", "--expect-no-changes")


def test_destroy_leaves_nothing_running(villa: LocalStack) -> None:
    assert servers_of(villa.workspace.cloud_state)
    villa.must("destroy", "--yes", "--skip-preview")
    assert villa.api("GET", "/v2/databases").get("databases") in ([], None)
    assert [command for command in servers_of(villa.workspace.cloud_state) if "serve" not in command] == []


def _grow(villa: LocalStack, phase: str) -> None:
    """Deploys the phase. A reviewer was told of what then changes, and of nothing else."""
    villa.configure(phase=phase)
    told = villa.report()
    options = ("--yes", "--skip-preview", "--stack", villa.name, "--config-file", str(villa.config_file))
    done = deploy("up", *options, cwd=villa.root, env=villa.stack.environment)
    assert done.code == 0
    changed = read(({"resourcePreEvent": {"metadata": step}} for step in done.planned), finished=True).changes
    assert {(step["urn"], step["operation"]) for step in told["resources"]} == {
        (step.urn, step.operation) for step in changed
    }
    assert told["policies"]["postponed"] == []


def _cluster_id(villa: LocalStack) -> str:
    (cluster,) = villa.api("GET", "/v2/databases")["databases"]
    return str(cluster["id"])
