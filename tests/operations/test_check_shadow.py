"""The shadow run of `trellis check`: what it finds, what it shows, what it leaves alone."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database, parts, server_folder
from tests.operations.conftest import ROOT, Trellis, url
from trellis.migrator import Target, admit, migrate
from trellis.operations.check import Servers, review_chain, review_pending
from trellis.operations.check.findings import Review, Severity
from trellis.operations.check.locks import Work
from trellis.operations.check.rendering import as_markdown, as_text
from trellis.operations.check.shadow.changes import How
from trellis.operations.check.shadow.programs import server_programs
from trellis.operations.databases import Database as Reached
from trellis.operations.databases import Sources
from trellis.operations.errors import OperationError
from trellis.server.scram import verifier


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The throw-away servers of all tests here."""
    with Servers() as running:
        yield running


def sources(folder: Path, **placeholders: str) -> Sources:
    return Sources(name="villa-db/villa", database="villa", folder=folder, placeholders=placeholders)


def changed(review: Review) -> dict[tuple[str, str], How]:
    """Kind and name of every change, and what became of it."""
    assert review.shadow is not None
    return {(one.kind, one.name): one.change for one in review.shadow.changes}


def test_all_of_villa(servers: Servers) -> None:
    review = review_chain(sources(ROOT / "migrations/villa/villa", app_role="villa_app"), None, servers)
    assert review.errors == 0
    assert review.shadow is not None
    assert review.shadow.complete
    assert len(review.shadow.applied) == review.files == 9
    found = changed(review)
    assert set(found.values()) == {How.ADDED}
    assert {
        ("table", "public.profiles"),
        ("trigger", "profiles_updated_at"),
        ("constraint", "profiles_nickname_key"),
        ("index", "public.idx_audit_created"),
        ("function", "public.update_updated_at()"),
        ("grants", "table public.audit_log"),
    } <= found.keys()
    assert not any("flyway_schema_history" in name for _, name in found)
    # An extension that PostgreSQL keeps for superusers and DigitalOcean does not.
    assert ("view", "public.slow_queries") in found


def test_a_database_is_copied_and_left_alone(servers: Servers, database: Database, write: Write) -> None:
    """With its roles and its history, without its rows; objects with names and defaults that are hard to read."""
    folder = write(
        {
            "V1__A.sql": 'CREATE TABLE "Odd, (one" (id bigint PRIMARY KEY, "a,b" numeric(10,2) DEFAULT 3 NOT NULL,\n'
            "  c text DEFAULT E'x\\n    y, ''z(' , CONSTRAINT \"is, so\" CHECK (c <> ')'));\n"
            "INSERT INTO \"Odd, (one\" VALUES (1);\nCREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1::text';",
            "R__G.sql": 'GRANT SELECT ON "Odd, (one" TO some_app;',
        }
    )
    target = Target(database.parameters())
    database.run("CREATE ROLE some_app", f'ALTER DATABASE {database.name} SET search_path = "odd one", public')
    try:
        migrate(target, folder, {})
        before = database.snapshot()
        write(
            {
                "V2__B.sql": 'ALTER TABLE "Odd, (one" ADD COLUMN e text, ALTER COLUMN "a,b" SET DEFAULT 4;\n'
                "CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 2::text';\n"
                'GRANT INSERT ON "Odd, (one" TO some_app;\n'
                "DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM \"Odd, (one\"); ASSERT current_user = 'admin';\n"
                "ASSERT current_setting('search_path') = '\"public\",\"odd one\", public'; END $$;"
            }
        )
        review = review_pending(Reached(sources=sources(folder), target=target), servers)
        assert database.snapshot() == before
    finally:
        database.run('DROP TABLE "Odd, (one"', "DROP ROLE some_app")
    assert review.shadow is not None
    assert review.findings == ()
    assert (review.shadow.complete, review.shadow.applied) == (True, ("V2__B.sql",))
    table, function, grants = (one.to_dict() for one in review.shadow.changes)
    assert (table["kind"], table["name"], table["change"], table["diff"]) == (
        "table",
        "public.Odd, (one",
        "changed",
        [],
    )
    assert table["columns"] == (
        {"change": "changed", "name": '"a,b"', "before": "numeric(10,2) DEFAULT 3 NOT NULL"}
        | {"after": "numeric(10,2) DEFAULT 4 NOT NULL"},
        {"change": "added", "name": "e", "before": None, "after": "text"},
    )
    assert function["name"] == "public.f()"
    assert [line for line in function["diff"] if line[0] in "+-"] == [
        "-    AS $$SELECT 1::text$$;",
        "+    AS $$SELECT 2::text$$;",
    ]
    assert grants["kind"] == "grants"
    text = as_text([("villa", review)]).splitlines()
    for line in (
        "  ~ table public.Odd, (one",
        '      ~ column "a,b" numeric(10,2) DEFAULT 3 NOT NULL -> numeric(10,2) DEFAULT 4 NOT NULL',
        "      + column e text",
        "      -    AS $$SELECT 1::text$$;",
        "1 file reviewed and run on a throw-away server, nothing found.",
    ):
        assert line in text
    marked = as_markdown([("villa", review)])
    assert "```diff\n! table public.Odd, (one\n!" in marked
    assert "\n+      column e text\n" in marked


def test_what_is_pending_of_a_drizzle_folder(servers: Servers, database: Database, write: Write) -> None:
    """Its history comes along to the copy, where what is pending goes on from it."""
    entries = [{"idx": number, "when": 100 + number, "tag": f"000{number}_a", "breakpoints": True} for number in (0, 1)]
    journal = {"version": "7", "dialect": "postgresql"}
    folder = write(
        {
            "meta/_journal.json": json.dumps({**journal, "entries": entries[:1]}),
            "0000_a.sql": "CREATE TABLE a (b text)\n--> statement-breakpoint\nCREATE TABLE c (d text)",
            "R__Grants.sql": "GRANT SELECT ON a TO PUBLIC;",
        }
    )
    target = Target(database.parameters()).beside(folder)
    migrate(target, folder, {})
    write(
        {
            "meta/_journal.json": json.dumps({**journal, "entries": entries}),
            "0001_a.sql": "ALTER TABLE a ADD COLUMN e text;\n--> statement-breakpoint\nCREATE INDEX c_d ON c (d);",
        }
    )
    review = review_pending(Reached(sources=sources(folder), target=target), servers)
    assert review.shadow is not None
    assert (review.shadow.complete, review.shadow.applied) == (True, ("0001_a.sql",))
    assert [(one.kind, one.name) for one in review.shadow.changes] == [("table", "public.a"), ("index", "public.c_d")]
    assert [(finding.rule, finding.line) for finding in review.findings] == [("require-concurrent-index-creation", 3)]


def test_the_change_is_coloured_on_a_terminal_only(
    servers: Servers, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = review_chain(sources(write({"V1__A.sql": "CREATE SCHEMA a;"})), None, servers)
    assert "\n  + schema a\n" in as_text([("villa", review)])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "\n  \x1b[32m+ schema a\x1b[0m\n" in as_text([("villa", review)])


def test_what_fails_only_when_it_runs(servers: Servers, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "CREATE TABLE a (b text);",
            "V2__B.sql": "ALTER TABLE a ADD COLUMN c text;",
            "V3__C.sql": "ALTER TABLE a ADD COLUMN d text;\n\n  SELECT bb FROM a;",
            "V4__D.sql": "SELECT 1;",
        }
    )
    review = review_chain(sources(folder), "1", servers)
    (failed,) = (one for one in review.findings if one.severity == "error")
    assert (Path(failed.file).name, failed.line, failed.column) == ("V3__C.sql", 3, 10)
    assert (failed.rule, failed.sqlstate) == ("trellis-shadow-failed", "42703")
    assert failed.message == 'column "bb" does not exist'
    assert failed.advice == 'Perhaps you meant to reference the column "a.b".'
    assert review.shadow is not None
    assert not review.shadow.complete
    assert review.shadow.applied == ("V2__B.sql",)
    (table,) = review.shadow.changes
    assert [column.name for column in table.columns] == ["c"]


def test_an_earlier_version_that_fails(servers: Servers, write: Write) -> None:
    review = review_chain(sources(write({"V1__A.sql": "SELECT 1 / 0;", "V2__B.sql": "SELECT 1;"})), "1", servers)
    assert review.shadow is None
    assert [(Path(one.file).name, one.sqlstate) for one in review.findings] == [("V1__A.sql", "22012")]
    assert review.errors == 1


def test_repeatables_count_as_there_before(servers: Servers, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "CREATE TABLE a (b text);",
            "V2__B.sql": "ALTER TABLE a ADD COLUMN c text;",
            "R__Old.sql": "CREATE OR REPLACE VIEW old AS SELECT b FROM a;",
            "R__Young.sql": "CREATE OR REPLACE VIEW young AS SELECT c FROM a;",
        }
    )
    review = review_chain(sources(folder), "1", servers)
    assert review.errors == 0
    assert review.shadow is not None
    assert review.shadow.applied == ("V2__B.sql", "R__Old.sql", "R__Young.sql")
    assert changed(review) == {("table", "public.a"): How.CHANGED, ("view", "public.young"): How.ADDED}


def test_a_table_that_a_block_makes_is_new(servers: Servers, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "CREATE TABLE a (b text);",
            "V2__B.sql": "DO $$ BEGIN EXECUTE 'CREATE TABLE \"B\" (b text)'; END $$;\n"
            'CREATE INDEX i ON "B" (b);\nCREATE INDEX j ON a (b);',
        }
    )
    review = review_chain(sources(folder), "1", servers)
    assert [(one.rule, one.line) for one in review.findings] == [("require-concurrent-index-creation", 3)]
    assert [(one.line, one.relation) for one in review.risks] == [(1, None), (3, "a")]


def test_versions_that_a_baseline_stands_for_are_said_to_be_left_out(servers: Servers, write: Write) -> None:
    folder = write(
        {"V1__A.sql": "SELECT 1;", "B2__B.sql": "SELECT 2;", "V2__B.sql": "SELECT 2;", "V3__C.sql": "SELECT 3;"}
    )
    review = review_chain(sources(folder), None, servers)
    assert [(Path(one.file).name, one.rule) for one in review.findings] == [
        ("V1__A.sql", "trellis-not-shadowed"),
        ("V2__B.sql", "trellis-not-shadowed"),
    ]


def test_a_role_of_one_database_is_gone_for_the_next(servers: Servers, write: Write, tmp_path: Path) -> None:
    """They share a server; the files make one role each, of the same name, and a placeholder names it."""
    folder = write({"V1__A.sql": "CREATE ROLE ${app}; CREATE TABLE a (); GRANT SELECT ON a TO ${app};"})
    for _ in range(2):
        review = review_chain(sources(folder, app="shared"), None, servers)
        assert review.errors == 0
        assert ("grants", "table public.a") in changed(review)
    assert servers.of("17") is servers.of("17")


def test_a_file_that_makes_a_database(servers: Servers, write: Write) -> None:
    folder = write({"V1__A.sql": "CREATE DATABASE other;", "V2__B.sql": "CREATE TABLE b (a text);"})
    for _ in range(2):
        review = review_chain(sources(folder), None, servers)
        assert review.findings == ()
        assert review.shadow is not None
        assert review.shadow.applied == ("V1__A.sql", "V2__B.sql")


WIDER = (
    ("varchar(20)", "varchar(40)", True),
    ("varchar(20)", "text", True),
    ("text", "varchar", True),
    ("numeric(8,2)", "numeric(10,2)", True),
    ("numeric(8,2)", "numeric", True),
    ("varbit(3)", "varbit(9)", True),
    ("timestamptz(0)", "timestamptz(3)", True),
    ("interval(0)", "interval", True),
    ("varchar(40)", "varchar(20)", False),
    ("varchar", "varchar(20)", False),
    ("text", "varchar(20)", False),
    ("numeric(8,2)", "numeric(10,3)", False),
    ("char(4)", "char(8)", False),
    ("integer", "bigint", False),
    ("varchar(20) ", "varchar(40) USING lower(c)", False),
)


def test_a_wider_type_is_no_rewrite_and_breaks_nobody(servers: Servers, write: Write, database: Database) -> None:
    """As the server has it: whether the table has another file afterwards."""
    columns = ", ".join(f"c{number} {before}" for number, (before, _, _) in enumerate(WIDER))
    changes = [
        f"ALTER TABLE t ALTER COLUMN c{number} TYPE {after.replace('(c)', f'(c{number})')};"
        for number, (_, after, _) in enumerate(WIDER)
    ]
    database.run(f"CREATE TABLE t ({columns})")
    for change, (_, _, wider) in zip(changes, WIDER, strict=True):
        node = database.rows("SELECT pg_relation_filenode('t')")
        database.run(change)
        assert (database.rows("SELECT pg_relation_filenode('t')") == node) == wider, change
    folder = write({"V1__A.sql": f"CREATE TABLE t ({columns});", "V2__B.sql": "\n".join(changes)})
    review = review_chain(sources(folder), "1", servers)
    assert [(one.line, one.rule) for one in review.findings if one.severity is Severity.ERROR] == [
        (line, "changing-column-type") for line, (_, _, wider) in enumerate(WIDER, start=1) if not wider
    ]
    assert [one.work for one in review.risks] == [Work.INSTANT if wider else Work.REWRITE for _, _, wider in WIDER]


def test_no_secret_is_shown(servers: Servers, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;\n"
            "CREATE USER MAPPING FOR doadmin SERVER far OPTIONS (user 'u', password 'hunter''2');\n"
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''${api_token}''';"
        }
    )
    review = review_chain(sources(folder, api_token="tok-12345"), None, servers)
    assert ("user mapping", "USER MAPPING doadmin SERVER far") in changed(review)
    told = json.dumps(review.to_dict())
    assert "hunter" not in told
    assert "tok-12345" not in told


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO PROGRAM 'cat > {0}'",
        "COPY (SELECT 1) TO '{0}'",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SET ROLE \"trellis shadow\"; COPY (SELECT 1) TO '{0}'",
        "CREATE EXTENSION pg_stat_statements; COPY (SELECT 1) TO '{0}'",
        "SET trellis.depth = 7; CREATE EXTENSION pg_stat_statements; COPY (SELECT 1) TO '{0}'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '$libdir/pgrowlocks', 'pgrowlocks'",
        "DO $$ BEGIN CREATE EXTENSION nothing; EXCEPTION WHEN OTHERS THEN COPY (SELECT 1) TO '{0}'; END $$",
        "CREATE EXTENSION dblink; SELECT dblink_connect('user=''trellis shadow'' host=' || current_setting("
        "'unix_socket_directories'))",
    ],
)
def test_a_reviewed_file_does_not_reach_the_machine(servers: Servers, write: Write, sql: str) -> None:
    """The administrator may create extensions, as in the cloud, and is no superuser before, meanwhile or after."""
    with server_folder() as place:
        review = review_chain(sources(write({"V1__A.sql": sql.format(place / "reached")})), None, servers)
        assert list(place.iterdir()) == []
    (failed,) = (one for one in review.findings if one.rule == "trellis-shadow-failed")
    assert failed.sqlstate in ("42501", "2F003")


def test_the_administrator_has_the_rights_of_the_database(servers: Servers, database: Database, write: Write) -> None:
    folder = write({"V1__A.sql": "CREATE TABLE a (b text);"})
    database.run(
        "CREATE ROLE modest LOGIN PASSWORD 'modest'",
        "GRANT CREATE ON SCHEMA public TO modest",
        "CREATE SCHEMA other",
        "GRANT USAGE ON SCHEMA other TO modest",
        "CREATE TABLE other.kept ()",
    )
    try:
        target = Target(database.parameters("modest", "modest"))
        review = review_pending(Reached(sources=sources(folder), target=target), servers)
    finally:
        database.run("DROP OWNED BY modest", "DROP ROLE modest")
    # PostgreSQL lets nobody dump what he may not read.
    assert [one.rule for one in review.findings] == ["trellis-not-shadowed"]
    assert "permission denied for table kept" in review.findings[0].message


def test_who_reads_the_history_alone_starts_from_the_applied_files(
    servers: Servers, database: Database, write: Write
) -> None:
    files = {
        "V1__A.sql": "CREATE TABLE a (b text);",
        "R__Old.sql": "CREATE OR REPLACE VIEW old AS SELECT b FROM a;",
        "R__New.sql": "CREATE OR REPLACE VIEW new AS SELECT b FROM a;",
    }
    folder = write(files)
    target, one = Target(database.parameters()), sources(folder)
    migrate(target, folder, {})
    reviewer = Reached(sources=one, target=Target(database.parameters("reviewer", "reviewer")))
    try:
        for _ in range(2):
            admit(target, "reviewer", verifier("reviewer", "reviewer"))
        write({"V2__B.sql": "ALTER TABLE a ADD COLUMN c text;", "R__New.sql": f"{files['R__New.sql']} -- Again."})
        review = review_pending(reviewer, servers)
        assert review.findings == ()
        assert review.shadow is not None
        assert (review.shadow.applied, review.shadow.from_files) == (("V2__B.sql", "R__New.sql"), True)
        assert changed(review) == {("table", "public.a"): How.CHANGED}
        assert "ms, from what the applied files make):" in as_text([("villa", review)])

        # What ran on the database and does not here is no error of what is reviewed.
        database.run("CREATE TABLE by_hand ()")
        write({"V3__C.sql": "ALTER TABLE by_hand ADD COLUMN d bigint;"})
        migrate(target, folder, {})
        write({"V4__D.sql": "ALTER TABLE a ADD COLUMN d text;"})
        (finding,) = review_pending(reviewer, servers).findings
        assert (finding.rule, finding.severity) == ("trellis-not-shadowed", Severity.WARNING)
        assert 'relation "by_hand" does not exist' in finding.message

        database.run("UPDATE flyway_schema_history SET type = 'BASELINE' WHERE version = '1'")
        (finding,) = review_pending(reviewer, servers).findings
        assert "the history begins with a baseline" in finding.message
    finally:
        database.run("DROP OWNED BY reviewer", "DROP ROLE reviewer")


def test_an_extension_that_this_server_lacks(trellis: Trellis, write: Write) -> None:
    folder = write({"V1__A.sql": "CREATE TABLE a (b text);\nCREATE EXTENSION postgis;", "V2__B.sql": "SELECT 1 / 0;"})
    done = trellis("check", "--folder", folder, "--all", "--json")
    assert done.code == 0
    (result,) = json.loads(done.out)["databases"]
    (finding,) = result["findings"]
    assert (finding["rule"], finding["severity"], finding["line"]) == ("trellis-not-shadowed", "warning", 2)
    assert finding["message"].startswith(
        'Not checked in a shadow: this server lacks what it needs: extension "postgis" is not available'
    )
    assert result["shadow"]["complete"] is False


def test_an_extension_of_the_database_that_the_shadow_lacks(trellis: Trellis, database: Database, write: Write) -> None:
    """The shadow's server is a copy of this one without citext."""
    folder = write({"V1__A.sql": "CREATE EXTENSION citext; CREATE TABLE a (b citext); CREATE TABLE c (d text);"})
    given = ("--url", url(database), "--folder", folder)
    assert trellis("migrate", *given).code == 0
    write({"V2__B.sql": "ALTER TABLE c ADD COLUMN e text;", "V3__C.sql": "ALTER TABLE a ADD COLUMN e text;"})
    with server_folder() as place:
        shutil.copytree((parts().postgresql / "17").resolve().parents[2], place / "usr", symlinks=True)
        for file in (place / "usr").rglob("citext*"):
            file.unlink()
        done = trellis("check", *given, "--json", "--postgresql", str(place / "usr" / "lib" / "postgresql"))
    assert done.code == 0
    (result,) = json.loads(done.out)["databases"]
    failed, extension, objects = result["findings"]
    assert {one["rule"] for one in result["findings"]} == {"trellis-not-shadowed"}
    assert Path(failed["file"]).name == "V3__C.sql"
    assert "it may need what this server lacks" in failed["message"]
    assert "the extension citext" in extension["message"]
    assert "table a: " in objects["message"]
    assert result["shadow"]["applied"] == ["V2__B.sql"]


def test_no_server_programs(trellis: Trellis, write: Write, tmp_path: Path) -> None:
    folder = write({"V1__A.sql": "SELECT 1;"})
    done = trellis("check", "--folder", folder, "--all", "--postgresql", tmp_path)
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path} holds no PostgreSQL 17: initdb, pg_ctl and postgres" in done.err
    assert "--no-shadow" in done.err
    assert trellis("check", "--folder", folder, "--all", "--no-shadow", TRELLIS_POSTGRESQL=str(tmp_path)).code == 0
    with pytest.raises(OperationError, match=r"`trellis dev postgresql` brings those of a stack.*--postgresql"):
        server_programs("9", None)


def test_a_server_that_does_not_start_is_told_with_its_log(trellis: Trellis, write: Write) -> None:
    folder = write({"V1__A.sql": "SELECT 1;"})
    with server_folder() as place:
        programs = place / "17" / "bin"
        programs.mkdir(parents=True)
        for name, text in (
            ("initdb", "echo 'no room left'; exit 1"),
            ("pg_ctl", "exit 1"),
            ("postgres", "echo 'postgres (PostgreSQL) 17.10'"),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        done = trellis("check", "--folder", folder, "--all", TRELLIS_POSTGRESQL=str(place))
    assert done.code == 1
    assert "The throw-away PostgreSQL did not start; it is gone again. It said:\nno room left" in done.err


def test_flyway_does_not_see_the_comment(trellis: Trellis, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "CREATE TABLE a (b text);",
            "V2__B.sql": "-- A.\n-- trellis: no-transaction, lock_timeout=1s\nCREATE INDEX CONCURRENTLY i ON a (b);",
            "V3__C.sql": "-- trellis: no-transaction\nCOMMENT ON TABLE a IS 'x';",
        }
    )
    done = trellis("check", "--folder", folder, "--all", "--json")
    found: list[dict[str, Any]] = json.loads(done.out)["databases"][0]["findings"]
    assert [(Path(one["file"]).name, one["line"], one["column"], one["rule"]) for one in found] == [
        ("V2__B.sql", 2, 1, "trellis-not-seen-by-flyway"),
        ("V3__C.sql", 1, 1, "trellis-not-seen-by-flyway"),
        ("V3__C.sql", 2, 1, "trellis-outside-transaction"),
    ]
    assert done.code == 0
