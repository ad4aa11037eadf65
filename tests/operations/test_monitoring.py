"""`trellis monitoring` on a stack, with Prometheus, Alertmanager and node_exporter themselves."""

import json
import os
import re
import shlex
import signal
import socketserver
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from tests.localcloud.receivers import web
from tests.operations.conftest import Finished
from tests.operations.test_stack import Command, tudao_with_a_replica
from tests.ports import free_port
from tests.stacks.harness import open_folder, wait_for
from trellis.development.bring import grafana, monitoring
from trellis.monitoring.exporter import _of_a_replica
from trellis.monitoring.limits import LIMITS

TOLD_WITHIN = 90

# As upstream calls them -> as Debian does.
_PROGRAMS = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "node_exporter": "prometheus-node-exporter",
}
# Debian's Alertmanager reads its templates at this place and no other, so it gets a /usr/share of its own.
_TEMPLATES = "usr/share/prometheus/alertmanager"
_WITH_TEMPLATES = (
    'mount -t tmpfs none /usr/share && mkdir /usr/share/prometheus && cp -r "$1" "/$2" && shift 2 && exec "$@"'
)


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """The command, on a deployed TUDAO with a replica, in a checkout of its own."""
    with open_folder() as temporary, tudao_with_a_replica() as stack:
        # What it takes for a missed job to be one: somebody is served, and for longer than since its last time.
        contacts = {"on-call": ["ops@your-company.com"], "database-admin": ["dba@your-company.com"]}
        stack.configure(environment="production", contacts=contacts)
        file = stack.workspace.folder / "state.json"
        assert stack.pulumi("stack", "export", "--file", str(file)).code == 0
        state = json.loads(file.read_text())
        state["deployment"]["resources"][0]["created"] = "2026-01-01T00:00:00Z"
        file.write_text(json.dumps(state))
        assert stack.pulumi("stack", "import", "--file", str(file)).code == 0
        yield Command(stack, temporary)


def _three_ports() -> int:
    """A port that is free with those of Alertmanager and node_exporter."""
    while True:
        first = free_port()
        if all(_is_free(first + further) for further in (3, 10)):
            return first


def _is_free(port: int) -> bool:
    try:
        socketserver.TCPServer(("127.0.0.1", port), socketserver.BaseRequestHandler).server_close()
    except OSError:
        return False
    return True


def _written(command: Command, folder: Path, *options: str, **environment: str) -> Finished:
    config = str(command.stack.config_file)
    return command("monitoring", str(folder), "--stack", "tudao", "--config-file", config, *options, **environment)


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A server's port, and the mails it got, each with its envelope before it."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            envelope: list[str] = []
            self._say("220 here")
            for raw in self.rfile:
                line = raw.decode().strip()
                word = line.partition(" ")[0].upper()
                if word in ("MAIL", "RCPT"):
                    envelope.append(line)
                if word == "DATA":
                    self._say("354 go on")
                    text = iter(self.rfile.readline, b".\r\n")
                    mails.append("\n".join(envelope) + "\n" + b"".join(text).decode())
                    envelope = []
                self._say("221 bye" if word == "QUIT" else "250 well")
                if word == "QUIT":
                    return

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1]), mails
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def started(command: Sequence[str], folder: Path, log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A program that runs meanwhile."""
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def asked(port: int, path: str) -> Any:
    """The JSON of one of Prometheus' or Alertmanager's answers; None while there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.URLError:
        return None


def series(port: int, expression: str) -> list[Any]:
    """What an expression gives now."""
    found = asked(port, f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return [] if found is None else list(found["data"]["result"])


def test_the_files_are_what_the_programs_take(command: Command, tmp_path: Path) -> None:
    folder, programs = tmp_path / "files", monitoring() / "usr" / "bin"
    mail = ("--smtp", "smtp.tudao.example:587", "--smtp-from", "alerts@tudao.example", "--smtp-user", "alerts")
    secrets = {"TRELLIS_SMTP_PASSWORD": "the mail server's", "TRELLIS_WEBHOOK": "http://127.0.0.1:1/a-secret"}
    done = _written(command, folder, *mail, **secrets)
    assert (done.code, done.err) == (0, ""), done.out

    for check in (
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "check", "rules", "--lint-fatal", "rules.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        run = subprocess.run((programs / check[0], *check[1:]), cwd=folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr

    credentials = command.stack.api("GET", "/v2/databases/metrics/credentials")["credentials"]
    hidden = {
        "metrics": credentials["basic_auth_password"],
        "smtp": "the mail server's",
        "webhook": "http://127.0.0.1:1/a-secret",
    }
    assert {file.name: file.read_text() for file in (folder / "secrets").iterdir()} == hidden
    assert [oct(file.stat().st_mode)[-3:] for file in (folder / "secrets").iterdir()] == ["600"] * 3
    assert oct((folder / "secrets").stat().st_mode)[-3:] == "700"
    administrator = command.stack.outputs()["direct_uris"]["tudao-db"]["tudao"].partition("@")[0].rpartition(":")[2]
    for file in (file for file in folder.iterdir() if file.is_file()):
        assert not any(secret in file.read_text() for secret in (*hidden.values(), administrator)), file

    alertmanager = yaml.safe_load((folder / "alertmanager.yml").read_text())
    assert {one["name"]: one["email_configs"][0]["to"] for one in alertmanager["receivers"]} == {
        "on-call": "ops@your-company.com",
        "database-admin": "dba@your-company.com",
    }
    assert alertmanager["global"]["smtp_require_tls"] is True

    # Again: nothing. A way that is given up: its secret goes.
    times = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    assert _written(command, folder, *mail, **secrets).out == "Nothing changed.\n"
    assert times == {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    assert _written(command, folder, "--webhook", "http://127.0.0.1:1/").code == 0
    assert {file.name for file in (folder / "secrets").iterdir()} == {"metrics", "webhook"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--smtp HOST:PORT with --smtp-from, or --webhook URL"),
        (("--smtp", "smtp.tudao.example:25"), "--smtp needs --smtp-from"),
        (("--smtp", "smtp.tudao.example", "--smtp-from", "a@tudao.example"), "it takes HOST:PORT"),
        (("--webhook", "http://127.0.0.1:1/", "--smtp-user", "a"), "TRELLIS_SMTP_PASSWORD"),
        (("--webhook", "http://127.0.0.1:1/", "--interval", "0"), "1 to 300 seconds"),
    ],
)
def test_a_call_that_would_tell_nobody(options: Sequence[str], said: str, command: Command, tmp_path: Path) -> None:
    done = _written(command, tmp_path / "files", *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (tmp_path / "files").exists()


@pytest.mark.alertmanager
def test_what_is_wrong_is_told_and_no_panel_is_empty(command: Command, tmp_path: Path) -> None:
    stack, folder, port = command.stack, tmp_path / "files", _three_ports()
    outputs = stack.outputs()
    (direct,) = outputs["direct_uris"]["tudao-db"].values()
    with ExitStack() as ends:
        hook, told = ends.enter_context(web())
        smtp, mails = ends.enter_context(mail_server())
        ways = (
            "--webhook",
            f"http://127.0.0.1:{hook}/",
            "--smtp",
            f"127.0.0.1:{smtp}",
            "--smtp-from",
            "a@tudao.example",
        )
        assert _written(command, folder, *ways, "--port", str(port), "--interval", "5").code == 0
        assert _jobs(command, "--due").code == 0
        _drilled(command)
        _start(ends, command, folder)
        wait_for(lambda: asked(port + 3, "/api/v2/status") is not None, seconds=60)
        wait_for(lambda: bool(series(port, "trellis_looked_timestamp_seconds")), seconds=120)
        wait_for(lambda: bool(series(port, 'up{job="managed-tudao-db"} == 1')), seconds=60)
        wait_for(lambda: asked(port, "/api/v1/alerts")["data"]["alerts"] == [], seconds=60)

        _inject(ends, command, direct)

        def findings() -> set[tuple[str, str]]:
            """The findings that were told, and to which role."""
            return {
                (alert["labels"].get("finding", alert["labels"]["alertname"]), request["body"]["receiver"])
                for request in list(told)
                for alert in request["body"]["alerts"]
                if alert["status"] == "firing"
            }

        wanted = {
            ("connections", "on-call"),
            ("unminted-buyers", "on-call"),
            ("replica-lag", "on-call"),
            ("job-failed", "database-admin"),
            ("job-missed", "database-admin"),
        }
        wait_for(lambda: findings() >= wanted, seconds=TOLD_WITHIN)
        _machine_says(ends, command, direct)
        annotations = {
            alert["labels"].get("finding"): alert["annotations"] for one in told for alert in one["body"]["alerts"]
        }
        assert annotations["unminted-buyers"]["summary"] == "tudao-db/tudao: 1, and 0 is the most"
        assert "POST /api/activate-wire" in annotations["unminted-buyers"]["do"]
        assert annotations["job-failed"]["summary"].endswith('failed: relation "expired_wires" does not exist')
        assert re.fullmatch(r"tudao-db: \d+ of 22 connections are taken", annotations["connections"]["summary"])
        for role, finding in (("dba", "job-failed"), ("ops", "unminted-buyers"), ("ops", "connections")):
            wanted_mail = f"RCPT TO:<{role}@your-company.com>", finding
            wait_for(lambda: any(all(part in mail for part in wanted_mail) for mail in mails), seconds=30)  # noqa: B023
        # Nobody's wallet left the database.
        assert "0x1234" not in json.dumps(told) + "".join(mails)

        checked = subprocess.run(
            (monitoring() / "usr" / "bin" / "promtool", "check", "metrics"),
            input=(folder / "status" / "tudao.prom").read_bytes(),
            capture_output=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
        assert _grafana_says(folder / "dashboard.json") == (0, "")
        wrong = folder.parent / "wrong.json"
        wrong.write_text((folder / "dashboard.json").read_text().replace('"legendFormat"', '"legend"'))
        code, said = _grafana_says(wrong)
        assert (code, "unexpected field 'legend'" in said) == (1, True)
        panels = json.loads((folder / "dashboard.json").read_text())["panels"]
        expressions = [target["expr"] for panel in panels for target in panel["targets"]]
        assert len(expressions) >= 18
        # A rate needs two looks.
        wait_for(lambda: all(series(port, one) for one in expressions), seconds=60)
        assert {panel["title"] for panel in panels} >= {"Replicas, behind", "Checks", "The machine"}


def _machine_says(ends: ExitStack, command: Command, direct: str) -> None:
    """What a machine of the stack would ask the replica that stands, and what it hears."""
    (there,) = {_server(uri) for uri in command.stack.outputs()["replica_uris"]["tudao-db"].values()}
    uri = direct.replace(_server(direct), there)
    replica = ends.enter_context(psycopg.connect(uri, sslrootcert=str(command.stack.authority()), row_factory=dict_row))
    cluster: Any = SimpleNamespace(name="tudao-db", plan=SimpleNamespace(connections=22))
    lag, figures = (replica.execute(query.sql.encode()).fetchall() for query in _of_a_replica(cluster, "copy"))
    assert [(one["finding"], one["where"]) for one in lag] == [("replica-lag", "tudao-db, copy")]
    assert figures[0]["replica_lag_bytes"] > LIMITS.lag_bytes


def _server(uri: str) -> str:
    return urllib.parse.urlsplit(uri).netloc.rpartition("@")[2]


def _grafana_says(dashboard: Path) -> tuple[int, str]:
    done = subprocess.run((grafana(), dashboard), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def _start(ends: ExitStack, command: Command, folder: Path) -> None:
    """Starts what the folder's README says, as it is printed."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    blocks = re.findall(r"^```sh\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    assert len(lines) == 4
    for line in lines:
        name, *arguments = shlex.split(line)
        log = folder.parent / f"{name}.log"
        if name == "trellis":
            call = [sys.executable, "-m", "trellis", *arguments, "--config-file", str(command.stack.config_file)]
            ends.enter_context(started(call, command.stack.root, log, command.stack.stack.environment))
            continue
        brought = monitoring()
        call = [str(brought / "usr" / "bin" / _PROGRAMS[name]), *arguments]
        if name == "alertmanager":
            templates = (str(brought / _TEMPLATES), _TEMPLATES)
            call = ["unshare", "--mount", "sh", "-ec", _WITH_TEMPLATES, "-", *templates, *call]
        ends.enter_context(started(call, folder, log, kept))


def _inject(ends: ExitStack, command: Command, direct: str) -> None:
    """A buyer without a hash, a job that fails and one nobody ran, a replica that stands, and many connections."""
    stack, authority = command.stack, str(command.stack.authority())
    admin = ends.enter_context(psycopg.connect(direct, sslrootcert=authority, autocommit=True))
    add_a_buyer(admin)
    admin.execute("ALTER TABLE expired_wires RENAME TO moved")
    assert _jobs(command, "expire-wires").code == 1
    admin.execute("DELETE FROM trellis.job_runs WHERE job = 'archive-buyers'")
    (replaying,) = _replaying(stack.workspace.cloud_state)
    os.kill(replaying, signal.SIGSTOP)
    ends.callback(os.kill, replaying, signal.SIGCONT)
    admin.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1 << 20)) FROM generate_series(1, 80)")
    fill_connections(ends, admin, direct, authority)


def add_a_buyer(admin: psycopg.Connection[Any]) -> None:
    """One who has paid and has no hash."""
    admin.execute(
        "INSERT INTO buyers (license_id, wallet, tier, status) VALUES"
        " ('NODE-1', '0x1234567890abcdef1234567890abcdef12345678', 'standard', 'active')"
    )


def fill_connections(ends: ExitStack, admin: psycopg.Connection[Any], direct: str, authority: str) -> None:
    """Clients hold 18 of the plan's connections."""
    ((held,),) = admin.execute(
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid"
        " WHERE a.backend_type = 'client backend' AND NOT r.rolsuper"
    ).fetchall()
    for _ in range(18 - held):
        ends.enter_context(psycopg.connect(direct, sslrootcert=authority))


def _replaying(folder: Path) -> Iterator[int]:
    """The processes that apply the log on replicas whose data lie in a folder."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            applies = b"startup recovering" in (entry / "cmdline").read_bytes()
            if applies and (entry / "cwd").resolve().is_relative_to(folder.resolve()):
                yield int(entry.name)


def _jobs(command: Command, what: str) -> Finished:
    return command("jobs", "run", what, "--stack", "tudao", "--config-file", str(command.stack.config_file))


def _drilled(command: Command) -> None:
    """Writes down that a restore was proven."""
    entry = {"kind": "drill", "at": datetime.now(UTC).isoformat(), "stack": "tudao", "cluster": "tudao-db", "ok": True}
    file = command.stack.root / ".trellis" / "records" / "tudao.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as records:
        records.write(json.dumps(entry) + "\n")
