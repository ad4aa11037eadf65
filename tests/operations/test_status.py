"""`trellis status` on a stack: the real engine, the local cloud, real servers and pools."""

import json
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.browser import browser
from tests.operations.conftest import Finished
from tests.operations.test_stack import Command, tudao_with_a_replica
from tests.ports import free_port
from tests.stacks.harness import open_folder, wait_for
from tools import ROOT
from trellis.monitoring.findings import Severity
from trellis.operations.jobs import command as jobs
from trellis.operations.jobs import runs as runs_of_jobs
from trellis.operations.status import checking, watching
from trellis.operations.status import command as status_command
from trellis.operations.status.ways import Way, ways
from trellis.settings.duties import Check
from trellis.settings.resolved import CheckSettings


class Status(Command):
    """The command, and the ways that it takes."""

    def ways(self) -> list[Way]:
        """Those of the stack."""
        outputs = self.stack.outputs()
        (self.stack.root / "tudao-db.crt").write_text(outputs["ca_certificates"]["tudao-db"])
        cluster: Any = Namespace(name="tudao-db", databases=())
        return list(ways(cluster, outputs, self.stack.root))


@pytest.fixture(scope="module")
def command() -> Iterator[Status]:
    """The command, on a deployed TUDAO with a replica, in a checkout of its own."""
    with open_folder() as temporary, tudao_with_a_replica() as stack:
        yield Status(stack, temporary)


def _jobs(command: Status, *options: str) -> Finished:
    config = str(command.stack.config_file)
    return command("jobs", "run", *options, "--stack", "tudao", "--config-file", config)


def _status(command: Status, *options: str, **environment: str) -> Finished:
    config = str(command.stack.config_file)
    return command("status", "--stack", "tudao", "--config-file", config, *options, **environment)


def _findings(command: Status, *options: str) -> dict[str, dict[str, Any]]:
    done = _status(command, "--json", *options)
    assert done.err == ""
    return {one["name"]: one for one in json.loads(done.out)["findings"]}


def _records(command: Status) -> Path:
    return command.stack.root / ".trellis" / "records" / "tudao.jsonl"


def test_a_new_stack_is_well(command: Status) -> None:
    done = _status(command)
    assert (done.code, done.err) == (0, ""), done.out + done.err
    assert "\x1b" not in done.out
    outputs = command.stack.outputs()
    passwords = [
        uri.partition("@")[0].rpartition(":")[2]
        for kind in ("direct_uris", "pooled_uris", "replica_uris")
        for uri in outputs[kind]["tudao-db"].values()
    ]
    assert len(passwords) == 5
    lines = done.out.splitlines()
    assert lines[0] == f"tudao: tudao, managed, launch, ${outputs['monthly_cost_usd']:.2f} a month"
    for start in (
        "tudao-db  PostgreSQL 17.",
        "  storage      ",
        "  connections  ",
        "  pool         tudao-pool: 0 of 14 at work",
        "  direct       tudao: ",
        "  pool         tudao-analytics-pool: ",
        "  replica      tudao-pool-copy: ",
        "  backup       ",
        "  until        PostgreSQL 17 gets fixes until 2029-11-08; the first certificate to end does on ",
        "  passwords    the oldest is that of tudao_",
        "  database     tudao: ",
        "note: tudao-db: no restore was ever proven. [drill]",
    ):
        assert any(line.startswith(start) for line in lines), start
    values = json.loads(_status(command, "--json").out)
    assert values["ok"] is True
    (cluster,) = values["clusters"]
    assert (cluster["status"], cluster["plan"]) == ("online", "db-s-1vcpu-1gb")
    assert {(way["kind"], way["error"]) for way in cluster["ways"]} == {
        (k, None) for k in ("direct", "pool", "replica")
    }
    assert len(cluster["ways"]) == 5
    assert set(cluster["certificates"]) >= {"the authority's certificate"}
    assert len(cluster["certificates"]) == 4
    for password in passwords:
        assert password not in done.out + json.dumps(values) + _records(command).read_text()
    assert list(command.temporary.iterdir()) == []


def test_what_is_wrong_is_told_with_an_exit_code(command: Status) -> None:
    stack = command.stack
    (direct,) = stack.outputs()["direct_uris"]["tudao-db"].values()
    with stack.connect(direct) as admin:
        admin.execute("CREATE TABLE log (at timestamptz PRIMARY KEY)")
        assert _status(command).code == 0
        admin.execute("GRANT SELECT ON log TO PUBLIC")
        assert _status(command).code == 5
        found = _findings(command)
        assert found["open-table"]["where"] == "tudao-db/tudao, public.log"
        admin.execute("DROP TABLE log")
    new = stack.root / "migrations" / "tudao" / "tudao" / "V1.9.0__More.sql"
    new.write_text("ALTER TABLE buyers ADD COLUMN more text;")
    try:
        found = _findings(command)
        assert found["pending-migrations"]["do"].startswith("trellis migrate tudao-db/tudao")
    finally:
        new.unlink()


def test_a_pool_that_is_full(command: Status) -> None:
    outputs = command.stack.outputs()
    uri = outputs["pooled_uris"]["tudao-db"]["tudao-analytics-pool"]

    with ExitStack() as ends:
        for _ in range(3):
            # At work for the pool: a client that is in a transaction keeps its server connection.
            client = ends.enter_context(command.stack.connect(uri))
            client.execute("BEGIN")
            client.execute("SELECT 1")
        findings = _findings(command)
        found = findings["pool"]
        assert (found["severity"], found["where"]) == ("critical", "tudao-db, tudao-analytics-pool")
        assert found["what"].startswith("3 of 3 server connections are at work")
        # Nobody waits for as long as PgBouncer would.
        assert "it let us in, and gave no answer within 5 s" in findings["unreachable"]["what"]


def test_a_check_of_the_system_file(command: Status) -> None:
    uri = command.stack.outputs()["pooled_uris"]["tudao-db"]["tudao-pool"]
    with command.stack.connect(uri) as app:
        app.execute(
            "INSERT INTO buyers (license_id, wallet, tier, status) VALUES"
            " ('NODE-1', '0x1234567890abcdef1234567890abcdef12345678', 'standard', 'active')"
        )
        done = _status(command)
        assert done.code == 6
        assert "critical: tudao-db/tudao: 1, and 0 is the most. [unminted-buyers]" in done.out
        assert "    tell ops@tudao.example" in done.out
        found = _findings(command)["unminted-buyers"]
        assert found["tell"] == ["ops@tudao.example"]
        assert "POST /api/activate-wire" in found["do"]
        # It tells how many, and nobody's wallet.
        assert "0x1234" not in json.dumps(found)
        app.execute("UPDATE buyers SET tx_hash = '0x' || repeat('a', 64)")
    assert _status(command).code == 0


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE buyers SET tier = 'standard' RETURNING 1", "cannot execute UPDATE in a read-only transaction"),
        ("SELECT 1; COMMIT; DROP TABLE buyers", "cannot insert multiple commands into a prepared statement"),
        ("SELECT count(*) FROM archive_run", 'relation "archive_run" does not exist'),
        ("SELECT id, tier FROM buyers", "it gave 1 rows, and one with one number is wanted"),
        ("SELECT 'many'", "it gave 'many', which is no number"),
        ("SELECT pg_sleep(60)", "canceling statement due to statement timeout"),
    ],
)
def test_a_check_that_cannot_be_asked(sql: str, said: str, command: Status) -> None:
    way = next(one for one in command.ways() if one.kind == "pool" and one.name == "tudao-pool")
    check = Check(pool="main.tudao-pool", sql=sql, do="x", severity="critical", timeout_seconds=1)
    settings = CheckSettings(name="odd", check=check, cluster="tudao-db", pool="tudao-pool", database="tudao", tell=())
    (finding,) = checking.judge(checking.ask(settings, way))
    assert finding.severity is Severity.CRITICAL
    assert said in finding.what


def test_jobs_are_run_when_they_are_due_and_what_fails_is_told(command: Status) -> None:
    (direct,) = command.stack.outputs()["direct_uris"]["tudao-db"].values()
    with command.stack.connect(direct) as admin:

        def runs(columns: str = "job, ok") -> list[Any]:
            return admin.execute(f"SELECT {columns} FROM trellis.job_runs ORDER BY id".encode()).fetchall()

        admin.execute(
            "INSERT INTO buyers (license_id, wallet, tier, status, payment_method, created_at) VALUES"
            " ('NODE-2', '0x1234567890abcdef1234567890abcdef12345678', 'standard', 'pending_wire', 'wire',"
            " now() - interval '31 days')"
        )
        done = _jobs(command, "--due")
        assert (done.code, done.err) == (0, ""), done.out
        assert done.out.splitlines()[0].startswith("tudao-db/tudao, expire-wires: done in ")
        assert done.out.splitlines()[0].endswith("s: expired 1")
        assert runs() == [("expire-wires", True), ("archive-buyers", True), ("purge-refunds", True)]
        assert admin.execute("SELECT status FROM buyers WHERE license_id = 'NODE-2'").fetchone() == ("expired",)
        again = _jobs(command, "--due", "--json")
        assert [one["ok"] for one in json.loads(again.out)["jobs"]] == [None] * 3
        assert len(runs()) == 3
        # Nobody but the administrator sees them.
        analyst = command.stack.outputs()["pooled_uris"]["tudao-db"]["tudao-analytics-pool"]
        with command.stack.connect(analyst) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT FROM trellis.job_runs")

        # One that fails is a finding until it has gone well.
        admin.execute("ALTER TABLE expired_wires RENAME TO moved")
        try:
            failed = _jobs(command, "expire-wires", "--json")
            assert failed.code == 1
            assert 'relation "expired_wires" does not exist' in json.loads(failed.out)["jobs"][0]["message"]
            found = _findings(command)["job-failed"]
            assert found["where"] == "tudao-db/tudao, expire-wires"
            assert found["tell"] == ["dba@tudao.example"]
        finally:
            admin.execute("ALTER TABLE moved RENAME TO expired_wires")
        assert _jobs(command, "expire-wires").code == 0
        assert "job-failed" not in _findings(command)

        # One that is under way is not begun twice, and one that was killed is told by the next.
        admin.execute("SELECT pg_advisory_lock(%s, hashtext('purge-refunds'))", (runs_of_jobs.LOCK,))
        admin.execute("INSERT INTO trellis.job_runs (job, due_at) VALUES ('purge-refunds', now())")
        assert "another run of it is under way" in _jobs(command, "purge-refunds").out
        admin.execute("SELECT pg_advisory_unlock_all()")
        assert _jobs(command, "purge-refunds").code == 0
        assert runs("job, ok, message")[-2:] == [
            ("purge-refunds", False, "it was killed, or lost its server"),
            ("purge-refunds", True, "purged 0"),
        ]

        # One that nobody ran is missed, once the stack is older than its time.
        admin.execute("TRUNCATE trellis.job_runs")
        assert "job-missed" not in _findings(command)
        admin.execute("DROP SCHEMA trellis CASCADE")
    unknown = _jobs(command, "vacuum")
    assert (unknown.code, unknown.out) == (2, "")
    assert "Known: expire-wires, archive-buyers, purge-refunds." in unknown.err
    assert _jobs(command).code == 2


def test_a_job_that_takes_too_long_is_cancelled(command: Status) -> None:
    way = next(one for one in command.ways() if one.name == "tudao-analytics-pool" and one.kind == "pool")
    assert jobs._work(way.target, "SELECT pg_sleep(60)", 0.5) == (False, "it took longer than 0.5 s and was cancelled")
    # The next client of that pool has its own limits.
    assert jobs._work(way.target, "SELECT pg_sleep(0.7) IS NULL AS void", 60) == (True, "void False")


def test_grants_are_compared_with_the_files(command: Status) -> None:
    (direct,) = command.stack.outputs()["direct_uris"]["tudao-db"].values()
    clean = _status(command, "--grants")
    assert clean.code == 0, clean.out + clean.err
    with command.stack.connect(direct) as admin:
        admin.execute("GRANT DELETE ON buyers TO tudao_app")
        admin.execute("REVOKE SELECT ON buyers_archive FROM tudao_analytics")
    done = _status(command, "--grants", "--json")
    assert done.code == 5
    told = [f"{one['where']}: {one['what']}" for one in json.loads(done.out)["findings"] if one["name"] == "grants"]
    assert any("table public.buyers: extra" in one and "DELETE" in one for one in told), told
    assert any("buyers_archive: missing" in one and "tudao_analytics" in one for one in told), told
    with command.stack.connect(direct) as admin:
        admin.execute("REVOKE DELETE ON buyers FROM tudao_app")
        admin.execute("GRANT SELECT ON buyers_archive TO tudao_analytics")
    assert _status(command, "--grants").code == 0


def test_every_command_of_the_page(command: Status) -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    parts = {part.partition("\n")[0]: part for part in page.split("\n## ")}
    lines = [
        line
        for title in ("Status", "Jobs")
        for block in re.findall(r"^```sh\n(.*?)^```$", parts[title], re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) == 5
    (command.stack.root / "Pulumi.tudao.yaml").write_text(command.stack.config_file.read_text())
    for line in lines:
        name, *arguments = line.split()
        assert name == "trellis"
        done = command(*arguments)
        assert (done.code, done.err) == (0, ""), f"{line}\n{done.out}{done.err}"


def test_records_of_sizes_and_drills(command: Status) -> None:
    file = _records(command)
    file.unlink(missing_ok=True)
    now = datetime.now(UTC)

    def written() -> list[dict[str, Any]]:
        return [json.loads(line) for line in file.read_text().splitlines()]

    def write(kind: str, ago: timedelta, **values: Any) -> None:
        entry = {"kind": kind, "at": (now - ago).isoformat(), "stack": "tudao", "cluster": "tudao-db", **values}
        with file.open("a") as records:
            records.write(json.dumps(entry) + "\n")

    assert _status(command).code == 0
    (first,) = written()
    assert (first["kind"], first["cluster"], first["ok"]) == ("status", "tudao-db", True)
    # A day ago there was so much less that 80 % is two weeks away.
    daily = (0.8 * (10 << 30) - first["bytes"]) / 14
    write("status", timedelta(days=1, minutes=1), bytes=first["bytes"] - daily)
    write("status", timedelta(days=40), bytes=1)
    write("drill", timedelta(days=3), ok=True)
    with file.open("a") as cut:
        cut.write('{"kind": "dri\n')
    found = _findings(command)
    assert set(found) == {"growth"}
    assert "reach 80 % in 14 days" in found["growth"]["what"]
    before = file.read_text()
    write("drill", timedelta(days=1), ok=False)
    done = _status(command, "--json")
    assert done.code == 6
    assert {one["name"]: one["severity"] for one in json.loads(done.out)["findings"]}["drill-failed"] == "critical"
    # Within an hour sizes are written once.
    assert file.read_text().count('"status"') == before.count('"status"')
    file.unlink()


def test_a_page_with_plots_that_needs_nothing_else(command: Status, tmp_path: Path) -> None:
    file, records = command.stack.root / "status.html", _records(command)
    # The application has asked something.
    with command.stack.connect(command.stack.outputs()["pooled_uris"]["tudao-db"]["tudao-pool"]) as app:
        app.execute("SELECT count(*) FROM unminted_buyers")
    records.unlink(missing_ok=True)
    records.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    with records.open("a") as lines:
        for days in range(10, 0, -1):
            at = {"at": (now - timedelta(days=days)).isoformat(), "stack": "tudao", "cluster": "tudao-db", "ok": True}
            lines.write(json.dumps({"kind": "status", **at, "bytes": (20 - days) << 30, "connections": days}) + "\n")
            lines.write(json.dumps({"kind": "drill", **at, "rto_seconds": 60 * days}) + "\n")
    done = _status(command, "--html", str(file))
    records.unlink()
    page = file.read_text()
    assert (done.code, done.err) == (0, ""), done.out
    assert "All is well." in page
    assert "\x1b" not in page
    # What a browser makes of it, on a screen and on a phone.
    with browser(tmp_path) as tab:
        for width, height in ((1280, 900), (390, 844)):
            tab.open(file, width, height)
            assert tab.faults() == []
            sizes, clients, restores = tab.plots().values()
            # Ten days of sizes and connections and of drills, and today's sizes.
            assert (sizes[0], clients[0], restores[0]) == (11, 11, 10)
            assert all(width > 150 and height > 50 for _, width, height in (sizes, clients, restores))
            assert tab.ask("document.querySelectorAll('.bar').length") > 0
    password = command.stack.outputs()["direct_uris"]["tudao-db"]["tudao"].partition("@")[0].rpartition(":")[2]
    assert password not in page
    unwritable = _status(command, "--html", "/nowhere/status.html")
    assert (unwritable.code, unwritable.err) == (
        1,
        "error: /nowhere/status.html cannot be written: No such file or directory.\n",
    )


def test_watch_looks_again(command: Status) -> None:
    stopped = command.stack.root / "out"
    with (
        stopped.open("w") as out,
        subprocess.Popen(
            [sys.executable, "-m", *command.stack.command("status")[2:], "--watch", "0.1", "--json"],
            cwd=command.stack.root,
            env=command.stack.stack.environment,
            stdout=out,
        ) as watching,
    ):
        try:
            wait_for(lambda: len(stopped.read_text().splitlines()) >= 2)
        finally:
            watching.terminate()
    assert watching.returncode == 143
    first, second = (json.loads(line) for line in stopped.read_text().splitlines()[:2])
    assert first["at"] <= second["at"]


@pytest.mark.parametrize("finding", ["unreachable", "not-watched"])
def test_watch_reads_the_stack_again_when_something_does_not_answer(
    finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its password or its address may be another one by now."""
    shut = [finding, "drill", "drill"]
    opened: list[int] = []

    def look(*_: object, **__: object) -> Any:
        if not shut:
            raise KeyboardInterrupt
        return Namespace(findings=[Namespace(name=shut.pop(0))], stack=None)

    def read(_: object) -> Any:
        opened.append(len(shut))
        return nullcontext()

    monkeypatch.setattr(status_command, "look", look)
    monkeypatch.setattr(status_command, "opened", read)
    monkeypatch.setattr(status_command, "_show", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        status_command.run(Namespace(watch=0, grants=False, postgresql=None))
    assert opened == [3, 2]


def test_a_machine_that_a_failed_up_left_away_is_told_too() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    machine = {"prometheus": nowhere, "alertmanager": nowhere, "user": "x", "password": "y", "ca_certificate": ""}
    found = list(watching.ask("prod", {"monitoring": machine}, []))
    assert [(one.name, one.do) for one in found] == 2 * [("not-watched", "trellis up --stack prod")]


def test_what_cannot_be_reached(command: Status) -> None:
    stack = command.stack
    blind = _status(command, "--json", DIGITALOCEAN_TOKEN="wrong")
    assert blind.code == 5
    assert "cloud-not-asked" in {one["name"] for one in json.loads(blind.out)["findings"]}
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    before = [{"type": rule["type"], "value": rule["value"]} for rule in cluster["rules"]]
    path = f"/v2/databases/{cluster['id']}/firewall"
    stack.api("PUT", path, {"rules": [{"type": "ip_addr", "value": "10.1.0.0/16"}]})
    try:
        done = _status(command, "--json")
        assert done.code == 6
        told = [one for one in json.loads(done.out)["findings"] if one["name"] == "unreachable"]
        assert {one["where"].split()[1] for one in told} >= {"direct", "pool"}
        assert "trellis:trustedSources" in told[0]["do"]
        assert "does not answer" in _status(command).out
    finally:
        stack.api("PUT", path, {"rules": before})
    missing = command("status", "--stack", "nowhere")
    assert (missing.code, missing.out) == (1, "")
    assert "There is no stack 'nowhere'" in missing.err
