"""Passwords of a self-hosted server change while clients connect afresh, and none is refused. In this order."""

import json
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.stacks.harness import LocalStack, at_work, kill_when, local_stack, program_copy, wait_for
from tests.stacks.test_rotate import CLIENTS, Client, config, refused, rotate, work_on
from tests.stacks.test_self_hosted import CLUSTER, _as_superuser, _direct, _droplet, _on
from trellis.development.bring import Parts

pytestmark = pytest.mark.droplets

POOL = "app-pool"
ROLE, SECOND = "freshtrack_app", "freshtrack_app_2"
TICK = "INSERT INTO sites (name, kind) VALUES (gen_random_uuid()::text, 'farm')"
# What a server of before has not.
OF_TODAY = "DROP FUNCTION server.join(text); DROP TABLE server.logins, server.change"
SETTINGS = f"ALTER ROLE {ROLE} SET work_mem = '5MB'; ALTER ROLE {ROLE} SET search_path = \"$user\", public"


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with program_copy() as program, local_stack(parts, "freshtrack", root=program, mode="self-hosted") as stack:
        stack.configure(connectionFiles=str(stack.workspace.folder / "files"))
        stack.up()
        yield stack


def test_a_server_of_before_goes_on_and_a_rotation_is_refused_before_anything_changes(stack: LocalStack) -> None:
    _as_superuser(stack, OF_TODAY)
    state = stack.state()
    for options in (("--yes",), ("--dry-run",)):
        done = stack.trellis("rotate", ROLE, *options)
        assert done.code == 1
        assert f"The server of {CLUSTER} was built before a user could have a second login. Nothing was" in done.text
    assert (stack.state(), config(stack)) == (state, {})
    stack.must("preview", "--expect-no-changes")
    stack.configure(trustedSources=["127.0.0.1", "198.51.100.7"])
    stack.up()
    uri = _pooled(stack)
    stack.configure(logins={ROLE: {"serves": 2, "changing": "both", "round": 1}})
    assert "was built before a user could have a second login, which trellis:logins asks for" in _fails(stack)
    stack.configure(logins=None)
    stack.up()
    assert _pooled(stack) == uri
    with stack.connect(uri) as connection:
        assert connection.execute("SELECT session_user").fetchone() == (ROLE,)


def test_built_again_as_the_page_says_it_has_another_administrator_s_password_too(stack: LocalStack) -> None:
    done = stack.trellis("rotate", "--all", "--administrator", "--yes")
    assert (done.code, f"{CLUSTER} is self-hosted: its Droplet is told" in done.text) == (1, True), done.text
    assert "Nothing was changed." in done.text
    before = _direct(stack)
    stack.api("DELETE", f"/v2/droplets/{_droplet(stack)}")
    stack.must("refresh", "--yes", "--skip-preview")
    urn = re.search(rf'"urn": ?"([^"]*::{CLUSTER}-doadmin)"', stack.state())
    assert urn
    done = stack.try_up("--", "--replace", urn[1])
    assert done.code == 0, done.text
    assert _password(before) != _password(_direct(stack))
    stack.must("preview", "--expect-no-changes")


def test_a_dry_run_says_the_steps_and_changes_nothing(stack: LocalStack) -> None:
    before, state = len(stack.journal()), stack.state()
    done = stack.trellis("rotate", ROLE, "--dry-run", "--json")
    assert done.code == 0, done.text
    steps = json.loads(done.text)["steps"]
    assert steps[1] == f"{ROLE}: let {ROLE} and {SECOND} in, and deploy what uses it with {SECOND}"
    assert (stack.changes(before), stack.state(), config(stack)) == ([], state, {})


@pytest.mark.soak(short=2, long=10)
def test_no_login_is_refused_by_a_server_of_one_s_own(stack: LocalStack, rounds: int) -> None:
    """A password of a self-hosted server changes as often as rounds say, each time but the first killed in both of its
    deployments and run again, while clients connect afresh through the pool: none is refused."""
    chance = random.Random("rotate")  # noqa: S311
    kept = {_password(_pooled(stack))}
    file = stack.workspace.folder / "files" / CLUSTER / f"{POOL}.url"
    authority = file.with_name("ca-certificate.crt")
    with at_work([Client(file.read_text, authority, tick=TICK) for _ in range(CLIENTS)]) as started:
        for number in range(rounds):
            wanted, other = (ROLE, SECOND) if number % 2 else (SECOND, ROLE)
            before = _pooled(stack)
            if number:
                _kill_at(stack, "both", chance)
                assert work_on(started) == []
                if _step(stack):
                    _kill_at(stack, "closing", chance)
            text = rotate(stack, ROLE) if _step(stack) or not number else ""
            after = _pooled(stack)
            kept.add(_password(after))
            assert not [password for password in kept if password in text]
            assert work_on(started) == []
            assert config(stack) == {ROLE: {"serves": 1 if wanted == ROLE else 2, "round": number + 1}}
            assert refused(stack, before)
            _admits(stack, wanted, other)
            with stack.connect(after) as connection:
                row = connection.execute("SELECT session_user, current_user, current_setting('work_mem')").fetchone()
            assert row == (wanted, ROLE, "5MB" if number else "4MB")
            # A setting of the role is one of its second login's, with its quotes, from the next rotation on.
            _as_superuser(stack, SETTINGS)
            stack.must("preview", "--expect-no-changes")
    assert [client.failed for client in started if client.failed] == []
    assert {login for client in started for login in client.logins} == {ROLE, SECOND}
    assert len(kept) == rounds + 1
    lines = (stack.root / ".trellis" / "records" / "freshtrack.jsonl").read_text().splitlines()
    assert [(told["kind"], told["login"]) for told in map(json.loads, lines)][:1] == [("rotation", SECOND)]
    shown = stack.state() + str(stack.journal()) + stack.must("preview", "--diff") + stack.config_file.read_text()
    assert not [password for password in kept if password in shown]
    stack.must("preview", "--refresh", "--expect-no-changes")


def test_a_second_login_is_made_of_no_role_that_reaches_further(stack: LocalStack) -> None:
    with stack.connect(_control(stack)) as admin:
        settings = admin.execute(
            "SELECT setconfig FROM pg_db_role_setting WHERE setrole = %s::regrole", (SECOND,)
        ).fetchone()
        assert settings == (["work_mem=5MB", 'search_path="$user", public', f"role={ROLE}"],)
        owned = admin.execute("SELECT count(*) FROM pg_shdepend WHERE refobjid = %s::regrole", (SECOND,)).fetchone()
        assert owned == (0,)
        for role in ("postgres", "doadmin", "pg_monitor", "pg_execute_server_program", 'a"b', "x" * 62):
            with pytest.raises((psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege)):
                admin.execute("SELECT server.join(%s)", (role,))
        with pytest.raises(psycopg.errors.CheckViolation):
            admin.execute("INSERT INTO server.logins VALUES ('other_app', %s, true)", (ROLE,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("SELECT server.refuse('x')")


def test_with_the_file_of_before_the_user_s_own_login_serves_and_the_second_one_is_let_in_nowhere(
    stack: LocalStack,
) -> None:
    stack.configure(logins=None)
    stack.up()
    _admits(stack, ROLE, SECOND)
    with stack.connect(_pooled(stack)) as connection:
        assert connection.execute("SELECT session_user").fetchone() == (ROLE,)
    stack.must("preview", "--expect-no-changes")


def _step(stack: LocalStack) -> str:
    """How far a rotation is; empty where none is."""
    told: Any = config(stack).get(ROLE) or {}
    return str(told.get("changing") or "")


def _kill_at(stack: LocalStack, step: str, chance: random.Random) -> None:
    command = (*stack.command("rotate"), ROLE, "--yes")
    kill_when(stack, command, lambda: _step(stack) == step, chance.uniform(0, 20))
    stack.stack.prepare()


def _admits(stack: LocalStack, wanted: str, other: str) -> None:
    """The pool is for one of the two, and the direct port for neither."""
    wait_for(lambda: f'"{other}"' not in _on(stack, "cat", "/etc/pgbouncer/hba.conf"))
    assert f'hostssl "{POOL}" "{wanted}" 127.0.0.1/32 scram-sha-256' in _on(stack, "cat", "/etc/pgbouncer/hba.conf")
    direct = _on(stack, "cat", "/etc/postgresql/15/main/pg_hba.conf").splitlines()
    assert {f'hostssl all "{login}" all reject' for login in (wanted, other)} < set(direct)


def _fails(stack: LocalStack) -> str:
    done = stack.try_up()
    assert done.code != 0, done.text
    return done.text


def _password(uri: str) -> str:
    return str(urlsplit(uri).password)


def _control(stack: LocalStack) -> str:
    return _direct(stack).replace("/freshtrack?", "/defaultdb?")


def _pooled(stack: LocalStack) -> str:
    return str(stack.outputs()["pooled_uris"][CLUSTER][POOL])
