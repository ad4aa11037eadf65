"""Passwords change while clients connect afresh all the time, and none is refused. In this order."""

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from tests.stacks.harness import LocalStack, at_work, kill_when, local_stack, program_copy, wait_for
from trellis.development.bring import Parts

CLIENTS = 5
# Transactions a second: of the long form, and of the one that shares its machine with other tests.
MANY, FEW = 200, 40
# Of one connection: others come afresh.
TRANSACTIONS = 4
TICK = "INSERT INTO audit_log (address, action) VALUES ('0x1', 'tick')"


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    """Villa in launch, whose URIs are kept in files."""
    with program_copy() as program, local_stack(parts, root=program) as stack:
        stack.configure(connectionFiles=str(stack.workspace.folder / "files"))
        stack.up()
        yield stack


class Client(threading.Thread):
    """Connects afresh, does a few transactions, and goes on so until it is told to end."""

    def __init__(
        self, uri: Callable[[], str], authority: Path, per_second: float = FEW / CLIENTS, tick: LiteralString = TICK
    ) -> None:
        super().__init__(daemon=True)
        self._tick = tick
        self.done = 0
        self.logins: set[str] = set()
        self.failed: list[str] = []
        self._uri, self._authority, self._pace = uri, authority, per_second
        self._ended = threading.Event()

    def run(self) -> None:
        began, pace = time.monotonic(), self._pace
        while not self._ended.wait(max(0, began + self.done / pace - time.monotonic())):
            if time.monotonic() - began - self.done / pace > 1:
                # What a busy machine did not get to is not made up for.
                began = time.monotonic() - self.done / pace
            uri = self._uri()
            self.logins.add(str(urlsplit(uri).username))
            try:
                with psycopg.connect(
                    uri, sslrootcert=str(self._authority), prepare_threshold=None, autocommit=True, connect_timeout=60
                ) as connection:
                    for _ in range(TRANSACTIONS):
                        connection.execute(self._tick)
                        self.done += 1
            except psycopg.Error as error:
                self.failed.append(f"{urlsplit(uri).username}: {error}")

    def end(self) -> None:
        self._ended.set()
        self.join(120)


class Deployed:
    """The environment that an app of the stack has: that of its last deployment."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack, self._deployment, self._uri = stack, "", ""
        self._looked = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            if time.monotonic() - self._looked > 1:
                self._look()
                self._looked = time.monotonic()
            return self._uri

    def _look(self) -> None:
        apps = self._stack.api("GET", "/v2/apps")["apps"]
        (active,) = [app["active_deployment"]["id"] for app in apps if app["spec"]["name"] == "villa-api"]
        if active != self._deployment:
            script = self._stack.stack.run("python", "-m", "localcloud", "env", "villa-api")
            shown = subprocess.run(["sh", "-c", script + "env -0"], capture_output=True, check=True, text=True).stdout
            environment = dict(entry.split("=", 1) for entry in shown.split("\0") if "=" in entry)
            self._deployment, self._uri = active, environment["DATABASE_URL"]


@contextmanager
def clients(stack: LocalStack, per_second: float) -> Iterator[Sequence[Client]]:
    """Some read the file before each connection; some are an app, and have what its deployment gave them."""
    file = stack.workspace.folder / "files" / "villa-db" / "villa-pool.url"
    # The test's own file is written anew at each of its connections.
    app, authority = Deployed(stack), file.with_name("ca-certificate.crt")
    made = [Client(app if number < 2 else file.read_text, authority, per_second / CLIENTS) for number in range(CLIENTS)]
    with at_work(made) as started:
        yield started


def rotate(stack: LocalStack, *options: str) -> str:
    done = stack.trellis("rotate", *options, "--yes")
    assert done.code == 0, done.text
    return done.text


def config(stack: LocalStack) -> dict[str, object]:
    return dict(yaml.safe_load(stack.config_file.read_text())["config"].get("trellis:logins") or {})


def cluster(stack: LocalStack) -> str:
    (found,) = stack.api("GET", "/v2/databases")["databases"]
    return f"/v2/databases/{found['id']}"


def pooled(stack: LocalStack) -> str:
    return str(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"])


def pool_user(stack: LocalStack) -> str | None:
    user = stack.api("GET", f"{cluster(stack)}/pools/villa-pool")["pool"].get("user")
    return str(user) if user else None


def passwords(stack: LocalStack) -> dict[str, str]:
    return {one["name"]: one["password"] for one in stack.api("GET", f"{cluster(stack)}/users")["users"]}


def refused(stack: LocalStack, uri: str) -> bool:
    try:
        with stack.connect(uri) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return "password authentication failed" in str(error) or "SASL" in str(error) or "login rejected" in str(error)
    return False


def test_a_dry_run_says_the_steps_and_changes_nothing(stack: LocalStack) -> None:
    before, state = len(stack.journal()), stack.state()
    done = stack.trellis("rotate", "villa_app", "--dry-run")
    assert done.code == 0, done.text
    assert "2. villa_app: let villa_app and villa_app_2 in, and deploy what uses it with villa_app_2" in done.text
    asked = stack.trellis("rotate", "villa_app")
    assert (asked.code, "Nothing was changed. Say --yes." in asked.text) == (1, True)
    assert (stack.changes(before), stack.state(), config(stack)) == ([], state, {})


@pytest.mark.soak(short=2, long=10)
def test_no_login_is_refused(stack: LocalStack, rounds: int, request: pytest.FixtureRequest) -> None:
    """A password changes as often as rounds say, each time but the first killed at a random moment and run again, while
    clients connect afresh for 200 transactions a second: none is refused, and no transaction fails."""
    kept: set[str] = set()
    chance = random.Random("rotate")  # noqa: S311
    requests, began = 0, time.monotonic()
    with clients(stack, MANY if request.config.getoption("--soak") else FEW) as started:
        for number in range(rounds):
            wanted = "villa_app" if number % 2 else "villa_app_2"
            uri, before, since = pooled(stack), passwords(stack), len(stack.journal())
            kept |= set(before.values())
            assert pool_user(stack) != wanted
            text = rotate_killed(stack, chance, requests) if number else rotate(stack, "villa_app")
            requests = requests or sent(stack, since)
            now = passwords(stack)
            kept |= set(now.values())
            assert not [password for password in kept if password in text]
            assert work_on(started) == []
            assert pool_user(stack) == wanted
            assert config(stack) == {"villa_app": {"serves": 1 if wanted == "villa_app" else 2}}
            assert refused(stack, uri)
            assert [name for name in before if before[name] == now[name]] == ["doadmin"]
            is_the_role(stack, wanted)
            stack.must("preview", "--expect-no-changes")
    seconds, total = time.monotonic() - began, sum(client.done for client in started)
    print(f"{total} transactions in {seconds:.0f} s, {total / seconds:.0f} a second")  # noqa: T201
    assert [client.failed for client in started if client.failed] == []
    assert {login for client in started for login in client.logins} == {"villa_app", "villa_app_2"}
    shown = stack.state() + str(stack.journal()) + stack.must("preview", "--diff") + stack.config_file.read_text()
    assert not [password for password in kept if password in shown]
    stack.must("preview", "--refresh", "--expect-no-changes")


def rotate_killed(stack: LocalStack, chance: random.Random, requests: int) -> str:
    """A rotation that is killed after one of its requests to the cloud, and run again."""
    since, moment = len(stack.journal()), chance.randrange(requests)
    command = (*stack.command("rotate"), "villa_app", "--yes")
    ran_still = kill_when(stack, command, lambda: sent(stack, since) > moment, chance.uniform(0, 0.2))
    stack.stack.prepare()
    return rotate(stack, "villa_app") if ran_still else ""


def sent(stack: LocalStack, since: int) -> int:
    """How many requests the cloud had since then; an app's client asks for the list of apps."""
    return sum(entry["path"] != "/v2/apps" for entry in stack.journal(since))


def work_on(started: Sequence[Client]) -> list[str]:
    """Waits until every client has done something more; what failed."""
    before = [client.done for client in started]
    wait_for(lambda: all(client.done > done for client, done in zip(started, before, strict=True)))
    return [failure for client in started for failure in client.failed]


def is_the_role(stack: LocalStack, login: str) -> None:
    """A login acts as the role, and owns nothing beside it."""
    outputs = stack.outputs()
    with stack.connect(outputs["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        assert connection.execute("SELECT session_user, current_user").fetchone() == (login, "villa_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE intruder (id int)")
    with stack.connect(outputs["direct_uris"]["villa-db"]["villa"]) as connection:
        holds = connection.execute(
            "SELECT count(*) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid WHERE r.rolname = 'villa_app_2'"
        ).fetchone()
    assert holds == (0,)


def test_an_old_login_that_is_still_used_is_not_reset_before_its_client_knows(stack: LocalStack) -> None:
    uri, since = pooled(stack), len(stack.journal())
    login = str(urlsplit(uri).username)
    late = Client(lambda: uri, stack.workspace.folder / "files" / "villa-db" / "ca-certificate.crt")
    late.start()
    try:
        stopped = stack.trellis("rotate", "villa_app", "--yes", "--wait", "3")
        assert stopped.code == 1
        assert f"An old login is still used, and was not reset. Both work. {login}: " in stopped.text
        assert work_on([late]) == []
        assert pool_user(stack) is None
        told = stack.trellis("status", "--json").text
        assert '"name": "rotation"' in told
    finally:
        late.end()
    other = next(name for name in ("villa_app", "villa_app_2") if name != login)
    assert f"/users/{login}/reset_auth" not in str(stack.changes(since))
    rotate(stack, "--all", "--administrator", "--json")
    assert (pool_user(stack), refused(stack, uri)) == (other, True)
    assert f"user={other}\n" in (stack.workspace.connect / stack.name / "pg_service.conf").read_text()
    stack.must("preview", "--expect-no-changes")


def test_the_administrator_s_password_changes_and_its_reviewer_s_with_it(stack: LocalStack) -> None:
    """As the test before has left it: the last rotation was that of everybody."""
    lines = (stack.root / ".trellis" / "records" / "dev.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [one["login"] for one in told if one["kind"] == "rotation"][-1] == "doadmin"
    outputs = stack.outputs()
    for kind, user in (("direct_uris", "doadmin"), ("review_uris", "trellis_review_villa")):
        with stack.connect(outputs[kind]["villa-db"]["villa"]) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (user,)
