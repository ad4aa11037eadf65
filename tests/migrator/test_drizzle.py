"""Folders that `drizzle-kit generate` writes: read, applied and recorded as Drizzle's own migrator does."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.clients import DRIZZLE, PG, node_modules
from tests.migrator.conftest import Write
from tests.migrator.servers import ADMIN, PASSWORD, Database
from trellis.migrator import MigrationError, Report, Target, admit, baseline, discover, info, repair, validate

Run = Callable[..., Report]

FIRST = """CREATE TYPE "public"."tier" AS ENUM('free', 'paid');--> statement-breakpoint
CREATE TABLE "profiles" (
\t"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
\t"address" varchar(42) NOT NULL,
\t"tier" "tier" DEFAULT 'free',
\tCONSTRAINT "profiles_address_unique" UNIQUE("address")
);
"""
# As a person writes it: no semicolons, a template that is no placeholder, a breakpoint behind a comment.
SECOND = """CREATE FUNCTION greeting() RETURNS text LANGUAGE sql AS $$ SELECT '${name}; --> none' $$
--> statement-breakpoint
ALTER TABLE "profiles" ADD COLUMN "bio" text
--> statement-breakpoint
-- the newest first
CREATE INDEX "profiles_address" ON "profiles" USING btree ("address");"""
THIRD = """CREATE TABLE "audit_log" ("id" serial PRIMARY KEY NOT NULL, "profile" uuid);
--> statement-breakpoint
ALTER TABLE "audit_log" ADD CONSTRAINT "audit_log_profile_fk" FOREIGN KEY ("profile") REFERENCES "profiles"("id");
"""
FILES = {"0000_tense_nova": FIRST, "0001_Odd name": SECOND, "0002_late_wasp": THIRD}
GRANTS = "GRANT SELECT ON profiles TO ${app_role};\n"
ROWS = "SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id"


def journal(*whens: int, tags: Mapping[str, str] = FILES, dialect: str = "postgresql") -> str:
    """As drizzle-kit writes it."""
    entries = [
        {"idx": index, "version": "7", "when": when, "tag": tag, "breakpoints": True}
        for index, (when, tag) in enumerate(zip(whens, tags, strict=False))
    ]
    return json.dumps({"version": "7", "dialect": dialect, "entries": entries}, indent=2)


def files(*whens: int) -> dict[str, str]:
    """As many migrations as there are times, and their journal."""
    chosen = list(FILES.items())[: len(whens)]
    return {"meta/_journal.json": journal(*whens), **{f"{tag}.sql": text for tag, text in chosen}}


def recorded(*whens: int) -> list[tuple[str, int]]:
    """The rows that Drizzle writes of them."""
    return [
        (hashlib.sha256(text.encode()).hexdigest(), when) for when, text in zip(whens, FILES.values(), strict=False)
    ]


def test_a_folder_is_applied_and_recorded_as_drizzle_does(database: Database, write: Write, run: Run) -> None:
    # A branch that was never merged leaves such a file behind: Drizzle knows of what its journal names.
    folder = write({**files(100, 200), "0001_left_over.sql": "DROP TABLE profiles;"})
    report = run(folder)
    assert [done.script for done in report.applied] == ["0000_tense_nova.sql", "0001_Odd name.sql"]
    assert database.rows(ROWS) == recorded(100, 200)
    columns = "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE "
    assert database.rows(f"{columns} table_name = '__drizzle_migrations' ORDER BY ordinal_position") == [
        ("id", "integer", "NO", "nextval('drizzle.__drizzle_migrations_id_seq'::regclass)"),
        ("hash", "text", "NO", None),
        ("created_at", "bigint", "YES", None),
    ]
    assert database.rows("SELECT greeting()") == [("${name}; --> none",)]
    write(files(100, 200, 300))
    assert [done.version for done in run(folder).applied] == ["300"]
    assert run(folder).applied == ()
    assert database.rows(ROWS) == recorded(100, 200, 300)
    found = info(Target(database.parameters()), folder, {})
    assert [(one.version, one.description, one.state) for one in found] == [
        ("100", "0000_tense_nova", "applied"),
        ("200", "0001_Odd name", "applied"),
        ("300", "0002_late_wasp", "applied"),
    ]


def test_all_that_is_pending_is_one_transaction(database: Database, write: Write, run: Run) -> None:
    folder = write(files(100, 200, 300))
    write({"0002_late_wasp.sql": "CREATE TABLE audit_log (id int);\n--> statement-breakpoint\nSELECT nothing;"})
    with pytest.raises(MigrationError, match='line 3, column 8: column "nothing" does not exist') as failed:
        run(folder)
    assert failed.value.state == (
        "Nothing of 0002_late_wasp.sql and of the 2 others in its transaction was kept. No version is applied."
    )
    assert database.rows(ROWS) == []
    assert database.rows("SELECT to_regclass('profiles')") == [(None,)]


def test_a_lock_that_others_hold_is_waited_for_and_named(database: Database, write: Write, run: Run) -> None:
    folder = write(files(100))
    run(folder)
    write(files(100, 200))
    with database.connect() as other:
        other.execute("BEGIN; LOCK TABLE profiles IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError, match="lock timeout") as failed:
            run(folder, lock_timeout=0.1, retries=1, retry_delay=0.01)
        assert "ALTER TABLE" in (failed.value.excerpt or "")
    run(folder)
    assert database.rows(ROWS) == recorded(100, 200)


def test_what_lies_below_the_newest_row_is_not_passed_over(database: Database, write: Write, run: Run) -> None:
    folder = write(files(100, 150, 300))
    target = Target(database.parameters())
    database.run(
        "CREATE SCHEMA drizzle",
        "CREATE TABLE drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)",
        *(f"INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('{hash}', {when})"
          for hash, when in (recorded(100)[0], recorded(100, 150, 300)[2])),
        FIRST, *THIRD.split("--> statement-breakpoint"),
    )  # fmt: skip
    (problem,) = validate(target, folder, {})
    assert "Drizzle would pass it over without a word" in problem.message
    with pytest.raises(MigrationError, match="below version 300"):
        run(folder)
    # One row for everything before it is a beginning that Drizzle takes.
    database.run("DELETE FROM drizzle.__drizzle_migrations WHERE created_at = 100")
    write({"meta/_journal.json": journal(100, 290, 300)})
    assert [one.state for one in info(target, folder, {})] == ["applied", "below baseline", "below baseline"]
    assert run(folder).applied == ()


def test_changed_and_missing_files_are_refused_and_repaired(database: Database, write: Write, run: Run) -> None:
    folder = write(files(100, 200))
    run(folder)
    write({"0000_tense_nova.sql": FIRST + "-- formatted\n"})
    with pytest.raises(MigrationError, match="The file was changed after it was applied"):
        run(folder)
    write({"meta/_journal.json": journal(100)})
    (folder / "0001_Odd name.sql").unlink()
    target = Target(database.parameters())
    assert len(validate(target, folder, {})) == 2
    done = repair(target, folder, {})
    assert (done.aligned, done.deleted) == (("0000_tense_nova.sql",), ("when 200",))
    assert database.rows(ROWS) == [(hashlib.sha256((FIRST + "-- formatted\n").encode()).hexdigest(), 100)]
    assert run(folder).applied == ()


def test_repeatables_beside_the_journal_hold_the_grants(database: Database, write: Write, run: Run) -> None:
    folder = write({**files(100), "R__Grants.sql": GRANTS})
    database.run("DROP ROLE IF EXISTS drizzle_app", "CREATE ROLE drizzle_app")
    roles = {"app_role": "drizzle_app"}
    assert [done.script for done in run(folder, roles).applied] == ["0000_tense_nova.sql", "R__Grants.sql"]
    granted = "SELECT has_table_privilege('drizzle_app', 'profiles', 'SELECT')"
    assert database.rows(granted) == [(True,)]
    assert database.rows(ROWS) == recorded(100)
    assert [done.script for done in run(folder, roles, repeat=True).applied] == ["R__Grants.sql"]
    assert run(folder, roles).applied == ()
    database.run("DROP ROLE IF EXISTS drizzle_reviewer", "CREATE ROLE drizzle_reviewer LOGIN PASSWORD 'reviewer'")
    target = Target(database.parameters()).beside(folder)
    admit(target, "drizzle_reviewer")
    reviewer = Target(database.parameters("drizzle_reviewer", "reviewer"))
    assert [one.state for one in info(reviewer, folder, roles)] == ["applied", "superseded", "applied"]
    database.run("DROP OWNED BY drizzle_app, drizzle_reviewer", "DROP ROLE drizzle_app, drizzle_reviewer")


def test_a_schema_in_use_needs_a_baseline(database: Database, write: Write, run: Run) -> None:
    database.run(*FIRST.split("--> statement-breakpoint"))
    folder = write(files(100, 200))
    with pytest.raises(MigrationError, match="holds objects, but no migration history"):
        run(folder)
    baseline(Target(database.parameters()).beside(folder), "100")
    assert [done.version for done in run(folder).applied] == ["200"]
    assert database.rows(ROWS) == [("baseline", 100), recorded(100, 200)[1]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"V1__Tables.sql": "SELECT 1;"}, "The journal of this Drizzle folder does not name this file"),
        ({"meta/_journal.json": journal(1, 2, 3)}, "The journal names this file, and it is not there"),
        ({"meta/_journal.json": "{"}, "The journal is no JSON"),
        ({"meta/_journal.json": "[]"}, "This is no journal of drizzle-kit"),
        ({"meta/_journal.json": journal(1, 2, dialect="sqlite")}, "The journal is for sqlite"),
        ({"meta/_journal.json": journal(1, 1)}, "The when 1 is there twice"),
        ({"0000_tense_nova.sql": "CREATE INDEX CONCURRENTLY i ON t (a);"}, "cannot run in a transaction"),
        ({"0000_tense_nova.sql": "SELECT 1;\nCOMMIT;"}, "COMMIT is not allowed in a migration"),
        ({"0000_tense_nova.sql": "-- trellis: no-transaction\nSELECT 1;"}, "comment says no-transaction"),
        ({"0000_tense_nova.sql": "SELECT 'a --> statement-breakpoint b';"}, "Drizzle would cut it there"),
    ],
)  # fmt: skip
def test_what_drizzle_could_not_run_either_is_refused(
    database: Database, write: Write, run: Run, given: Mapping[str, str], said: str
) -> None:
    folder = write({**files(100, 200), **given})
    with pytest.raises(MigrationError, match=said):
        run(folder)
    assert database.rows("SELECT to_regclass('profiles')") == [(None,)]


def test_a_file_that_commits_itself_runs_where_the_folder_names_it(database: Database, write: Write, run: Run) -> None:
    second = "COMMIT;--> statement-breakpoint\nCREATE INDEX CONCURRENTLY profiles_tier ON profiles (tier)"
    folder = write({**files(100, 200, 300), "0001_Odd name.sql": second})
    with pytest.raises(MigrationError, match="COMMIT is not allowed"):
        run(folder)
    write({"migrations.conf": "legacy=0001_Odd name.sql\n"})
    assert [done.version for done in run(folder).applied] == ["100", "200", "300"]
    assert [when for _, when in database.rows(ROWS)] == [100, 200, 300]
    assert database.rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'profiles_tier'::regclass") == [(True,)]
    assert run(folder).applied == ()


def test_the_order_is_the_journals(write: Write) -> None:
    folder = write(files(300, 100, 200))
    assert [file.version for file in discover(folder)] == ["300", "100", "200"]


MIGRATE = """
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
try { await migrate(drizzle(pool), { migrationsFolder: process.argv[2] }); } finally { await pool.end(); }
"""


@pytest.mark.clients
def test_drizzles_own_migrator_goes_on_after_us_and_we_after_it(
    database: Database, write: Write, run: Run, tmp_path: Path, kept: Callable[[str], Path]
) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules(kept, f"drizzle-orm@{DRIZZLE}", f"pg@{PG}"))
    (tmp_path / "migrate.mjs").write_text(MIGRATE)
    address = f"postgresql://{ADMIN}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{database.server.port}/{database.name}"

    def drizzle(folder: Path) -> None:
        command = ("node", str(tmp_path / "migrate.mjs"), str(folder))
        environment = {**os.environ, "DATABASE_URL": address}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    drizzle(write(files(100)))
    folder = write(files(100, 200))
    assert [done.version for done in run(folder).applied] == ["200"]
    drizzle(write(files(100, 200, 300)))
    assert run(folder).applied == ()
    theirs = (database.rows(ROWS), database.snapshot_of_public())
    assert theirs[0] == recorded(100, 200, 300)
    database.run("DROP SCHEMA drizzle, public CASCADE", "CREATE SCHEMA public")
    run(folder)
    drizzle(folder)
    assert (database.rows(ROWS), database.snapshot_of_public()) == theirs
