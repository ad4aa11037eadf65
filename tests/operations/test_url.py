"""The command on one database that a URL names, on a real server."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import PASSWORD, Database
from tests.operations.conftest import ROOT, Finished, Trellis, url

FILES = {
    "V1__Profiles.sql": "CREATE TABLE profiles (id bigint PRIMARY KEY, owner text DEFAULT '${owner}');",
    "V1.1__Index.sql": "CREATE INDEX CONCURRENTLY profiles_owner ON profiles (owner);",
    "R__Names.sql": "CREATE OR REPLACE VIEW names AS SELECT owner FROM profiles;",
}

PROGRAM = (sys.executable, "-m", "trellis")


class Command:
    """The command with the test's database and folder."""

    def __init__(self, trellis: Trellis, database: Database, folder: Path) -> None:
        self._trellis = trellis
        self.database = database
        self.folder = folder

    def __call__(self, name: str, *arguments: str) -> Finished:
        folder = () if name == "baseline" else ("--folder", self.folder, "--placeholder", "owner=ann")
        return self._trellis(name, "--url", url(self.database), *folder, *arguments)


@pytest.fixture
def command(trellis: Trellis, database: Database, write: Write) -> Command:
    """The command on an empty database with three migrations waiting."""
    return Command(trellis, database, write(FILES))


def test_a_run_from_empty_to_nothing_to_do(command: Command) -> None:
    first = command("info", "--exit-code")
    assert first.code == 3
    assert "3 pending" in first.out

    plan = command("migrate", "--dry-run")
    assert plan.code == 0
    assert "3 migrations would be applied; no version is current." in plan.out
    assert "V1.1__Index.sql  (outside a transaction)" in plan.out
    assert command.database.rows("SELECT to_regclass('profiles')") == [(None,)]

    done = command("migrate")
    assert done.code == 0, done.err
    assert "3 migrations applied in" in done.out
    assert "version 1.1 is current" in done.out
    assert "Restore point before the run: " in done.out
    assert "V1__Profiles.sql" in done.err
    assert command.database.rows("SELECT column_default FROM information_schema.columns WHERE column_name = 'owner'")[
        0
    ] == ("'ann'::text",)

    again = command("migrate")
    assert again.code == 0
    assert "Nothing to apply; version 1.1 is current." in again.out
    assert command("info", "--exit-code").code == 0
    assert command("validate").out == "Files and history agree.\n"


def test_info_is_a_table(command: Command) -> None:
    command("migrate", "--target", "1")
    lines = command("info").out.splitlines()
    head = lines[0]
    assert head.split() == ["version", "description", "type", "state", "installed", "on", "ms", "checksum"]
    first = lines[1]
    assert first[: head.index("type")].split() == ["1", "Profiles"]
    assert first[head.index("type") : head.index("installed")].split() == ["versioned", "applied"]
    assert first[head.index("installed") :][:10].count("-") == 2
    states = {line[head.index("type") : head.index("installed")].strip() for line in lines[1:4]}
    assert states == {"versioned   applied", "repeatable  applied", "versioned   pending"}
    assert lines[-1] == "1 pending."


def test_json_holds_what_the_text_says(command: Command) -> None:
    plan = json.loads(command("migrate", "--dry-run", "--json").out)
    (database,) = plan["databases"]
    assert [one["script"] for one in database["plan"]["pending"]] == [
        "V1__Profiles.sql", "V1.1__Index.sql", "R__Names.sql",
    ]  # fmt: skip
    assert [one["transactional"] for one in database["plan"]["pending"]] == [True, False, True]

    done = json.loads(command("migrate", "--json").out)
    assert done["command"] == "migrate"
    assert done["ok"] is True
    (database,) = done["databases"]
    assert database["database"] == command.database.name
    assert database["error"] is None
    assert database["report"]["current_version"] == "1.1"
    assert len(database["report"]["applied"]) == 3

    (database,) = json.loads(command("info", "--json").out)["databases"]
    assert database["pending"] == 0
    assert {(one["script"], one["type"], one["state"]) for one in database["migrations"]} == {
        ("V1__Profiles.sql", "versioned", "applied"),
        ("V1.1__Index.sql", "versioned", "applied"),
        ("R__Names.sql", "repeatable", "applied"),
    }


def test_a_failing_migration_is_named_with_its_place(command: Command) -> None:
    (command.folder / "V2__Bad.sql").write_text("SELECT 1;\nSELECT nothing FROM nowhere;\n")
    failed = command("migrate")
    assert failed.code == 1
    assert f"{command.folder}/V2__Bad.sql, line 2, column 21: relation" in failed.err
    assert "version 1.1 is current." in failed.err

    said = json.loads(command("migrate", "--json").out)
    assert said["ok"] is False
    error = said["databases"][0]["error"]
    assert (error["line"], error["column"], error["sqlstate"]) == (2, 21, "42P01")


def test_validate_lists_every_complaint(command: Command) -> None:
    command("migrate")
    (command.folder / "V1__Profiles.sql").write_text("SELECT 1;")
    (command.folder / "V1.1__Index.sql").unlink()
    (command.folder / "V0.1__Late.sql").write_text("SELECT 1;")
    found = command("validate")
    assert found.code == 1
    assert found.out.startswith("3 problems:")
    for part in ("was changed after it was applied", "no longer has it", "Version 0.1 is below version 1.1"):
        assert part in found.out
    assert len(json.loads(command("validate", "--json").out)["databases"][0]["problems"]) == 3
    assert "1 problem:" in command("validate", "--allow-missing", "--out-of-order").out

    listed = command("info").out
    assert "future" in listed
    assert "ignored" in listed
    assert ", file has " in listed


def test_repair_says_what_it_will_do_and_wants_a_word(command: Command) -> None:
    command("migrate")
    (command.folder / "V1__Profiles.sql").write_text("-- changed\n" + FILES["V1__Profiles.sql"])
    (command.folder / "V1.1__Index.sql").unlink()
    before = command.database.history()

    looked = command("repair", "--dry-run")
    assert looked.code == 0
    assert "would be marked as deleted: V1.1__Index.sql" in looked.out
    assert "would be aligned with its file: V1__Profiles.sql" in looked.out

    unasked = command("repair")
    assert unasked.code == 2
    assert "Give --yes" in unasked.err
    assert command.database.history() == before

    planned = json.loads(command("repair", "--dry-run", "--json").out)["databases"][0]["repair"]
    done = command("repair", "--yes", "--json")
    assert done.code == 0
    assert json.loads(done.out)["databases"][0]["repair"] == planned
    assert command("validate").code == 0
    for idle in (command("repair", "--dry-run"), command("repair")):
        assert (idle.code, idle.out) == (0, "Nothing to repair.\n")


def test_baseline_of_a_database_in_use(command: Command) -> None:
    command.database.run("CREATE TABLE profiles (id bigint PRIMARY KEY, owner text)")
    for refused in (command("migrate"), command("migrate", "--dry-run")):
        assert refused.code == 1
        assert "history" in refused.err

    looked = command("baseline", "--version", "1", "--dry-run")
    assert looked.code == 0
    assert "version 1 is the baseline" in looked.out
    assert command.database.rows("SELECT to_regclass('flyway_schema_history')") == [(None,)]
    assert command("baseline", "--version", "1").code == 2

    assert command("baseline", "--version", "1", "--yes").code == 0
    assert command("migrate").code == 0
    states = {one["script"]: one["state"] for one in _migrations(command("info", "--json"))}
    assert states["V1__Profiles.sql"] == "below baseline"
    assert states["V1.1__Index.sql"] == "applied"

    for contradiction in (
        command("baseline", "--version", "3", "--dry-run"),
        command("baseline", "--version", "3", "--yes"),
    ):
        assert contradiction.code == 1
        assert "already holds a history" in contradiction.err


def _migrations(done: Finished) -> list[dict[str, str]]:
    return list(json.loads(done.out)["databases"][0]["migrations"])


def test_a_drizzle_folder_is_worked_on_like_any_other(trellis: Trellis, database: Database, write: Write) -> None:
    entries = [{"idx": number, "when": 100 + number, "tag": f"000{number}_x", "breakpoints": True} for number in (0, 1)]
    folder = write(
        {
            "meta/_journal.json": json.dumps({"version": "7", "dialect": "postgresql", "entries": entries}),
            "0000_x.sql": "CREATE TABLE profiles (id bigint PRIMARY KEY)",
            "0001_x.sql": "CREATE TABLE tags (name text);",
        }
    )
    where = ("--url", url(database), "--folder", folder)
    database.run("CREATE TABLE profiles (id bigint PRIMARY KEY)")
    assert "holds objects" in trellis("migrate", *where).err
    done = trellis("baseline", *where, "--version", "100", "--yes")
    assert done.code == 0, done.err
    plan = trellis("migrate", *where, "--dry-run")
    assert "1 migration would be applied; version 100 is current" in plan.out
    assert "0001_x.sql" in plan.out
    assert trellis("migrate", *where).code == 0
    (found,) = json.loads(trellis("info", *where, "--json").out)["databases"]
    assert [(one["script"], one["state"], one["installed_on"]) for one in found["migrations"]] == [
        ("<< Flyway Baseline >>", "baseline", None),
        ("0001_x.sql", "applied", None),
        ("0000_x.sql", "below baseline", None),
    ]
    (folder / "0001_x.sql").write_text("CREATE TABLE tags (name text); -- formatted")
    assert "The file was changed after it was applied" in trellis("validate", *where).out
    assert "would be aligned with its file: 0001_x.sql" in trellis("repair", *where, "--dry-run").out
    assert trellis("repair", *where, "--yes").code == 0
    assert trellis("validate", *where).code == 0
    assert database.rows("SELECT to_regclass('public.flyway_schema_history')") == [(None,)]


def test_out_of_order_and_timeouts_reach_the_migrator(command: Command) -> None:
    command("migrate")
    (command.folder / "V1.0.5__Late.sql").write_text("SELECT pg_sleep(60);")
    assert "allow out_of_order" in command("migrate").err
    cut = command("migrate", "--out-of-order", "--statement-timeout", "0.2")
    assert cut.code == 1
    assert "57014" in cut.err


def test_no_secret_shows(command: Command, trellis: Trellis) -> None:
    """Neither the password of the URL nor that of a failed login."""
    given = url(command.database).replace("admin@", "admin:not-the-password@")
    done = trellis("info", "--url", given, "--folder", command.folder, PGPASSWORD="")
    assert done.code == 1
    assert "warning: The URL holds a password" in done.err
    assert "password authentication failed" in done.err
    assert "Hint: Set PGPASSWORD" in done.err
    assert "not-the-password" not in done.out + done.err
    silent = command("info")
    assert PASSWORD not in silent.out + silent.err
    assert "warning" not in silent.err


def test_a_server_that_is_not_there(trellis: Trellis, write: Write) -> None:
    done = trellis("info", "--url", "postgresql://admin@127.0.0.1:1/x", "--folder", write(FILES))
    assert done.code == 1
    assert "No connection to admin@127.0.0.1:1/x" in done.err
    assert "Hint: Nothing listens there. The local cloud: `make up`" in done.err


def test_start_loads_neither_settings_nor_what_they_need(command: Command, trellis: Trellis, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, sys\natexit.register(lambda: open('loaded', 'w').write('\\n'.join(sys.modules)))\n"
    )
    path = f"{tmp_path}:{Path(__file__).resolve().parents[2]}"
    assert trellis("--help", PYTHONPATH=path).code == 0
    loaded = set((tmp_path / "loaded").read_text().splitlines())
    assert not loaded & {"psycopg", "trellis.settings", "pydantic", "yaml", "pulumi"}
    done = trellis(
        "info", "--url", url(command.database), "--folder", command.folder, "--placeholder", "owner=a", PYTHONPATH=path
    )
    assert done.code == 0, done.err
    loaded = set((tmp_path / "loaded").read_text().splitlines())
    assert "psycopg" in loaded
    assert not loaded & {"trellis.settings", "pydantic", "yaml", "pulumi"}


@pytest.mark.parametrize(("answer", "code", "deleted"), [("y\n", 0, 1), ("\n", 1, 0)])
def test_a_person_is_asked(command: Command, answer: str, code: int, deleted: int) -> None:
    command("migrate")
    (command.folder / "V1.1__Index.sql").unlink()
    given = ("--url", url(command.database), "--folder", str(command.folder), "--placeholder", "owner=ann")
    controller, terminal = pty.openpty()
    try:
        os.write(controller, answer.encode())
        done = subprocess.run(
            [*PROGRAM, "repair", *given],
            cwd=ROOT,
            env={**os.environ, "PGPASSWORD": PASSWORD},
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == code
    plan, question = done.stderr.index("would be marked as deleted: V1.1__Index.sql"), done.stderr.index("[y/N]")
    assert plan < question
    assert ("Nothing was changed." in done.stderr) is (deleted == 0)
    assert [row[3] for row in command.database.history()].count("DELETE") == deleted


def test_an_interrupted_run_leaves_nothing_of_the_file(command: Command) -> None:
    folder = command.folder
    (folder / "V2__Long.sql").write_text("CREATE TABLE half (id bigint);\nSELECT pg_sleep(300);")
    running = subprocess.Popen(
        [*PROGRAM, "migrate", "--url", url(command.database), "--folder", str(folder), "--placeholder", "owner=ann"],
        cwd=ROOT,
        env={**os.environ, "PGPASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    asleep = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{command.database.name}' AND wait_event = 'PgSleep'"
    until = time.monotonic() + 120
    while not command.database.rows(asleep):
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said.endswith(
        "Stopped. No migration is half done and recorded as done; run the same command again to go on.\n"
    )
    # The server was told to stop, too: it does not sleep on.
    while command.database.rows(asleep):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert command.database.rows("SELECT to_regclass('half')") == [(None,)]
