"""What is lost comes back: from a backup in Spaces, from a moment in the past, row by row."""

import contextlib
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stacks.harness import LocalStack, from_address, local_stack, program_copy, wait_for
from trellis.development.bring import Parts
from trellis.operations.backup import manifest, packing, places

BUCKET = "villa-backups"
DECLARED = """
  recipients: [{recipient}]
checks:
  without-address: {{pool: main.villa-pool, sql: SELECT count(*) FROM profiles WHERE address = '', do: Look}}
  profiles: {{pool: main.villa-pool, sql: SELECT count(*) FROM profiles, do: Look, severity: note}}
objectives: {{rto: 15m, rpo: 10m, outage: {{rto: 2h, rpo: 1h}}}}
"""
INSERT = (
    "INSERT INTO profiles (address, nickname, nickname_normalized) SELECT lpad(n::text, 42, '0'), 'n' || n, 'n' || n"
    " FROM generate_series(%s::int, %s::int) n"
)


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    """Villa in production, with 10,000 profiles, and a place for its backups."""
    with program_copy() as program, local_stack(parts, root=program) as stack:
        public = packing.new_key(key(stack))
        villa = program / "systems" / "villa.yaml"
        kept = "  keep: {days: 7, weeks: 4, months: 12}"
        assert kept in villa.read_text()
        villa.write_text(villa.read_text().replace(kept, kept + DECLARED.format(recipient=public)))
        stack.up()
        with administrator(stack) as connection:
            connection.execute(INSERT, (1, 10_000))
        # The cloud takes the first one within the minute.
        stack.api("POST", f"/_local/databases/{id_of(stack)}/backups")
        yield stack


def key(stack: LocalStack) -> Path:
    return stack.workspace.folder / "backups.key"


def administrator(stack: LocalStack) -> Any:
    return stack.connect(stack.outputs()["direct_uris"]["villa-db"]["villa"])


def told(stack: LocalStack, name: str, *options: str) -> Any:
    """What a command of the stack says as JSON; it must work."""
    done = subprocess.run(
        (*stack.command(name), *options, "--json"),
        cwd=stack.root,
        env=stack.stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def recorded(stack: LocalStack) -> list[dict[str, Any]]:
    file = stack.root / ".trellis" / "records" / f"{stack.name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_backup_goes_to_spaces_and_comes_back_without_the_cloud(stack: LocalStack) -> None:
    made = told(stack, "backup")
    assert made["to"] == f"spaces://{BUCKET}/dumps/{stack.name}"
    (dump,) = made["dumps"]
    assert dump["tables"]['"public"."profiles"'][0] == 10_000
    assert dump["migration"] == "1.0.6"
    assert (
        recorded(stack)[-1] | {"kind": "backup", "cluster": "villa-db", "ok": True, "name": made["name"]}
        == (recorded(stack)[-1])
    )
    # Nothing of it stays here.
    assert list((stack.root / ".trellis" / "backups").rglob("*.age")) == []
    restored(stack, f"{made['to']}/{made['name']}")


def restored(stack: LocalStack, backup: str) -> None:
    """Restores into another database, as somebody who has neither the stack nor its folder."""
    uri = stack.outputs()["direct_uris"]["villa-db"]["villa"]
    with administrator(stack) as connection:
        connection.execute("CREATE DATABASE elsewhere")
    try:
        other = f"{uri.replace('/villa?', '/elsewhere?')}&sslrootcert={stack.authority()}"
        done = subprocess.run(
            (
                *("python", "-m", "trellis", "restore", "--from", backup, "--to", other, "--region", "sfo3"),
                *("--identity", str(key(stack))),
            ),
            cwd="/",
            env=stack.stack.environment | {"PYTHONPATH": str(stack.root), "PULUMI_BACKEND_URL": "nowhere"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with psycopg.connect(other) as connection:
            assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (10_000,)
    finally:
        with administrator(stack) as connection:
            connection.execute("DROP DATABASE elsewhere WITH (FORCE)")


def test_an_upload_that_was_killed_goes_on(stack: LocalStack) -> None:
    with administrator(stack) as connection:
        # Random bytes do not become smaller: three parts.
        connection.execute(
            "CREATE TABLE large AS SELECT n, (SELECT string_agg(sha256((n || ',' || m)::text::bytea), '')"
            " FROM generate_series(1, 32) m) FROM generate_series(1, 40000) n"
        )
    uploads = f"/{BUCKET}/dumps/{stack.name}/"
    since = len(stack.journal())

    def parts() -> list[str]:
        found = [entry for entry in stack.journal(since) if uploads in entry["path"]]
        return [one["path"] for one in found if "partNumber" in str(one)]

    try:
        run = subprocess.Popen(
            stack.command("backup"), cwd=stack.root, env=stack.stack.environment, stdout=subprocess.DEVNULL
        )
        wait_for(lambda: run.poll() is not None or len(parts()) >= 1)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        sent = len(parts())
        assert sent < 3
        made = told(stack, "backup")
        # The first goes on, the second is whole: no part was sent twice but the one that was under way.
        assert len(parts()) <= 6 + 1
    finally:
        with administrator(stack) as connection:
            connection.execute("DROP TABLE large")
    listed = told(stack, "backup")
    assert listed["name"] > made["name"]
    assert [path.name for path in (stack.root / ".trellis" / "backups" / stack.name).iterdir()] == [".lock"]
    assert manifest.moment(made["name"])


def test_an_upload_that_never_went_on_is_given_up_and_nothing_else(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SPACES_ENDPOINT_URL", "SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY", "HTTP_PROXY"):
        monkeypatch.setenv(name, stack.stack.environment[name])
    there = places.place(f"spaces://{BUCKET}/dumps", stack.name, "sfo3", {})
    assert isinstance(there, places.Spaces)
    mark = b'{"made_by": "trellis backup"}'
    today = manifest.named(datetime.now(UTC))
    for key, data in {
        "20260101T000000Z/started.json": mark,
        "20260101T000000Z/villa-db/villa.dump.zst": b"half",
        # Somebody else's, one under way, and what has another name.
        "20260102T000000Z/started.json": b"{}",
        f"{today}/started.json": mark,
        "mine/started.json": mark,
        "20260103T000000Z/notes.txt": b"kept",
    }.items():
        there._put(f"dumps/{stack.name}/{key}", data)
    there.give_up()
    left = sorted(key.split("/", 2)[2] for key in there._keys())
    for key in ("20260102T000000Z/started.json", f"{today}/started.json", "mine/started.json"):
        assert key in left
    assert "20260103T000000Z/notes.txt" in left
    assert [key for key in left if key.startswith("20260101")] == []
    assert [one.name for one in there.backups()] != []
    there.delete(today)


def drills(stack: LocalStack) -> list[dict[str, Any]]:
    """Temporary clusters that there are."""
    return [one for one in stack.api("GET", "/v2/databases")["databases"] if "-drill-" in one["name"]]


class Intruder(threading.Thread):
    """Somebody else on the internet, who tries every temporary cluster as soon as there is one."""

    def __init__(self, stack: LocalStack) -> None:
        super().__init__(daemon=True)
        self.tries = 0
        self.open: list[Any] = []
        self.got_in = 0
        self._stack = stack
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            for one in drills(self._stack):
                if [rule["value"] for rule in one["rules"]] != ["127.0.0.1"]:
                    self.open.append(one["rules"])
                # The local cloud's server takes its list over just before it is online.
                if one["status"] == "online":
                    self._try(one["connection"])

    def end(self) -> None:
        self._ended.set()
        self.join(60)

    def _try(self, way_in: dict[str, Any]) -> None:
        with from_address("127.0.0.9", "127.0.0.1", way_in["port"]) as port, contextlib.suppress(psycopg.Error):
            self.tries += 1
            psycopg.connect(
                host="127.0.0.1", port=port, user=way_in["user"], password=way_in["password"], dbname="villa",
                sslmode="require", connect_timeout=10,
            ).close()  # fmt: skip
            self.got_in += 1


def test_a_drill_proves_this_moment_and_admits_nobody(stack: LocalStack) -> None:
    with administrator(stack) as connection:
        connection.execute(INSERT, (20_001, 20_100))
    intruder = Intruder(stack)
    intruder.start()
    try:
        told_of = told(stack, "drill")
    finally:
        intruder.end()
    assert (intruder.open, intruder.got_in) == ([], 0)
    assert intruder.tries > 0
    assert drills(stack) == []
    (one,) = told_of["clusters"]
    assert one["ok"], one
    assert (one["rpo_seconds"], one["rto_objective_seconds"], one["rpo_objective_seconds"]) == (0.0, 900.0, 600.0)
    assert 0 < one["rto_seconds"] < 900
    found = {check["what"]: check["found"] for check in one["checks"]}
    assert "each the same by checksum" in found["rows"]
    assert "owners and grants are the same" in found["schema and grants"]
    assert "files and history agree, at 1.0.6" in found["migrations"]
    assert found["check without-address"] == "villa_app found 0"
    assert found["check profiles"] == "villa_app found 10100, more than 0: so it was then"
    report = Path(told_of["report"]).read_text()
    assert "## villa-db: proven" in report
    assert json.loads(Path(told_of["report"]).with_suffix(".json").read_text()) == [one]
    last = recorded(stack)[-1]
    assert (last["kind"], last["cluster"], last["ok"], last["rto_seconds"]) == (
        "drill", "villa-db", True, one["rto_seconds"],
    )  # fmt: skip


def test_a_drill_from_the_newest_backup(stack: LocalStack) -> None:
    told(stack, "backup")
    (one,) = told(stack, "drill", "--from", "newest", "--identity", str(key(stack)))["clusters"]
    assert one["ok"], one
    assert one["rpo_objective_seconds"] == 3600.0
    found = {check["what"]: check["found"] for check in one["checks"]}
    assert found["check without-address"] == "villa_app found 0"
    assert drills(stack) == []


def test_what_a_killed_drill_left_is_swept_and_nothing_else(stack: LocalStack) -> None:
    (network,) = {one["private_network_uuid"] for one in stack.api("GET", "/v2/databases")["databases"]}
    cluster = id_of(stack)
    order = {"engine": "pg", "version": "17", "size": "db-s-1vcpu-1gb", "region": "nyc1", "num_nodes": 1}
    foreign = [
        # Each lacks one of what only a drill gives.
        {"name": "villa-db-drill-1234abcd", "tags": ["trellis-drill"], "private_network_uuid": network},
        {"name": "villa-db-drilled", "tags": ["trellis-drill", f"trellis-drill:{cluster}"]},
    ]
    made = [stack.api("POST", "/v2/databases", order | one)["database"]["id"] for one in foreign]
    try:
        run = subprocess.Popen(
            stack.command("drill"), cwd=stack.root, env=stack.stack.environment, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: run.poll() is not None or len(drills(stack)) > 1)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        assert len(drills(stack)) == 2
        done = stack.trellis("drill", "--sweep")
        assert done.code == 0, done.text
        assert done.text.count("is deleted") == 1
        assert sorted(one["id"] for one in stack.api("GET", "/v2/databases")["databases"]) == sorted([cluster, *made])
    finally:
        for identifier in made:
            stack.api("DELETE", f"/v2/databases/{identifier}")


def test_a_cluster_whose_order_was_not_answered_is_deleted(stack: LocalStack) -> None:
    stack.api("POST", "/_local/faults", {"fault": "lost-response", "path": r"^/v2/databases$", "method": "POST"})
    done = stack.trellis("drill")
    assert (done.code, "It may have been carried out" in done.text) == (1, True), done.text
    assert done.text.count(": deleted") == 1
    assert drills(stack) == []


def test_a_drill_that_is_interrupted_deletes_its_cluster(stack: LocalStack) -> None:
    run = subprocess.Popen(
        stack.command("drill"), cwd=stack.root, env=stack.stack.environment, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: run.poll() is not None or len(drills(stack)) == 1)
    run.send_signal(signal.SIGTERM)
    assert run.wait() == 143
    assert drills(stack) == []
    assert recorded(stack)[-1]["ok"] is False


def id_of(stack: LocalStack) -> str:
    (found,) = (one["id"] for one in stack.api("GET", "/v2/databases")["databases"] if one["name"] == "villa-db")
    return str(found)


def test_deleted_rows_come_back_and_later_writes_stay(stack: LocalStack) -> None:
    with administrator(stack) as connection:
        connection.execute(INSERT, (21_001, 21_050))
        connection.execute("UPDATE profiles SET avatar_seed = 'as it was' WHERE address < lpad('101', 42, '0')")
        ((there, moment),) = connection.execute("SELECT count(*), clock_timestamp() FROM profiles").fetchall()
        assert there >= 10_000
        connection.execute("DELETE FROM profiles WHERE address <= lpad('10000', 42, '0')")
        # Later writes: 900 new rows, 50 that are changed, and 50 that take a deleted row's nickname.
        connection.execute(INSERT, (30_001, 30_900))
        connection.execute(
            "UPDATE profiles SET avatar_seed = 'later' WHERE address > lpad('21000', 42, '0')"
            " AND address <= lpad('21050', 42, '0')"
        )
        connection.execute(
            "INSERT INTO profiles (address, nickname, nickname_normalized)"
            " SELECT lpad((40000 + n)::text, 42, '0'), 'n' || n, 'n' || n FROM generate_series(1, 50) n"
        )
        later = set(connection.execute("SELECT address, nickname, avatar_seed FROM profiles").fetchall())
    at = ("--at", moment.isoformat(), "--table", "profiles")
    looked = told(stack, "rescue", *at, "--dry-run")
    assert looked["rescued"] == []
    lost = looked["lost"]['"public"."profiles"']
    assert (lost["missing"], lost["changed"], len(lost["sample"])) == (10_000, 50, 5)
    refused = stack.trellis("rescue", *at)
    assert (refused.code, "Nothing was put back. Say --yes" in refused.text) == (1, True), refused.text
    done = stack.trellis("rescue", *at, "--yes")
    assert done.code == 0, done.text
    assert "9,950 rows are back" in done.text
    assert "50 are not: other rows have taken their unique keys since" in done.text
    assert "50 differ" in done.text
    assert drills(stack) == []
    with administrator(stack) as connection:
        now = set(connection.execute("SELECT address, nickname, avatar_seed FROM profiles").fetchall())
        assert later <= now
        assert len(now - later) == 9_950
        assert connection.execute("SELECT count(*) FROM profiles WHERE avatar_seed = 'as it was'").fetchone() == (50,)
    one = told(stack, "rescue", *at, "--yes", "--changed", "--where", "address = lpad('21050', 42, '0')")["rescued"][0]
    assert (one["inserted"], one["updated"]) == (0, 1)
    wrong = stack.trellis("rescue", *at, "--where", "nothing = 1")
    assert (wrong.code, 'column "nothing" does not exist' in wrong.text) == (2, True), wrong.text
    assert drills(stack) == []


def test_a_backup_before_migrations(stack: LocalStack) -> None:
    sql = stack.root / "migrations" / "villa" / "villa"

    def backups() -> int:
        return sum(one["kind"] == "backup" for one in recorded(stack))

    before = backups()
    done = stack.trellis("migrate", "--backup")
    assert (done.code, backups()) == (0, before), done.text
    (sql / "V1.0.7__More.sql").write_text("CREATE TABLE more (id int PRIMARY KEY);")
    done = stack.trellis("migrate", "--backup")
    assert done.code == 0, done.text
    assert "Backup before the migrations: spaces://villa-backups/dumps/dev/" in done.text
    assert backups() == before + 1
    stack.configure(backupBefore=True)
    (sql / "V1.0.8__Less.sql").write_text("DROP TABLE more;")
    assert "Backup before the migrations" in stack.up()
    assert "Backup before the migrations" not in stack.up()
    # Without a backup nothing is deployed.
    (sql / "V1.0.9__More.sql").write_text("CREATE TABLE more (id int PRIMARY KEY);")
    villa = stack.root / "systems" / "villa.yaml"
    villa.write_text(villa.read_text().replace("spaces://villa-backups/dumps", "/dev/null/nowhere"))
    done = stack.try_up()
    assert done.code == 1, done.text
    with administrator(stack) as connection:
        assert connection.execute("SELECT to_regclass('more')").fetchone() == (None,)
    assert recorded(stack)[-1]["ok"] is False
