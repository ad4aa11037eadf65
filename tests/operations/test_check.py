"""`trellis check`: what is found, where, how much it weighs, and in which form it is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database, parts
from tests.operations.conftest import ROOT, Trellis, url
from trellis.operations.check.breaking import BREAKS
from trellis.operations.check.review import REFUSED
from trellis.operations.check.rules import ERRORS, LONG_LOCK, MOOT, RULES
from trellis.operations.check.shadow.run import FAILED, NOT_RUN


def found(trellis: Trellis, folder: Path, *arguments: str) -> list[tuple[str, int, int, str, str]]:
    """File, line, column, rule and severity of every finding."""
    done = trellis("check", "--folder", folder, "--all", "--no-shadow", "--json", *arguments)
    (database,) = json.loads(done.out)["databases"]
    findings = [
        (Path(one["file"]).name, one["line"], one["column"], one["rule"], one["severity"])
        for one in database["findings"]
    ]
    assert done.code == (1 if any(one[4] == "error" for one in findings) else 0)
    return findings


@pytest.mark.parametrize(
    ("sql", "rule", "severity"),
    [
        ("ALTER TABLE old RENAME COLUMN a TO b", "renaming-column", "error"),
        ("DROP TABLE old", "ban-drop-table", "error"),
        ("CREATE INDEX a ON old (b)", "require-concurrent-index-creation", "error"),
        ("ALTER TABLE old ADD COLUMN a bigint NOT NULL", "adding-required-field", "error"),
        ("CREATE TABLE new (at timestamp)", "prefer-timestamp-tz", "warning"),
        ("UPDATE old SET a = (SELECT 1 WHERE true)", "trellis-whole-table-update", "warning"),
        ("DELETE FROM old -- WHERE a", "trellis-whole-table-delete", "error"),
        ("DELETE FROM old /* one /* in another */ WHERE a */", "trellis-whole-table-delete", "error"),
        ("DELETE FROM old USING (VALUES ($x$*/ WHERE a$x$)) AS v", "trellis-whole-table-delete", "error"),
        ("TRUNCATE old", "trellis-truncate", "error"),
        ("ALTER TABLE old SET UNLOGGED", "trellis-rewrite", "error"),
        ("ALTER TABLE old ADD COLUMN a bigserial", "trellis-long-lock", "error"),
        ("ALTER TABLE old ADD COLUMN a bigint CHECK (a > 0)", "trellis-long-lock", "error"),
        ("ALTER TABLE old ADD COLUMN a timestamptz DEFAULT clock_timestamp()", "adding-field-with-default", "error"),
        ("ALTER TABLE old ADD COLUMN a bigint GENERATED ALWAYS AS (b) STORED", "adding-field-with-default", "error"),
        ("ALTER TABLE old ALTER COLUMN a TYPE varchar(40)", "changing-column-type", "error"),
        ("LOCK TABLE old", "trellis-lock-table", "warning"),
        ("REFRESH MATERIALIZED VIEW old", "trellis-refresh-blocks", "warning"),
        ("DROP FUNCTION f() CASCADE", "trellis-drop-cascade", "error"),
        ("ALTER ROLE r LOGIN PASSWORD 'hunter2'", "trellis-password-in-file", "error"),
        ("SELECT FROM FROM", "syntax-error", "error"),
        ("COMMIT", "trellis-refused", "error"),
        ("SELECT '${nobody}'", "trellis-refused", "error"),
    ],
)
def test_a_rule_is_met(trellis: Trellis, write: Write, sql: str, rule: str, severity: str) -> None:
    folder = write({"V1__A.sql": f"SELECT 1;\n\n{sql};\n"})
    assert (rule, severity) in {(one[3], one[4]) for one in found(trellis, folder)}


def test_what_is_harmless_is_not_found(trellis: Trellis, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": 'CREATE TABLE a (id bigint PRIMARY KEY, b text);\nCREATE TABLE "Odd" (b text);',
            # The tables of another file of the same run are new and empty.
            "V2__B.sql": "CREATE INDEX a_b ON a (b);\nCREATE INDEX odd ON public.\"Odd\" (b);\nUPDATE a SET b = 'x';\n"
            "CREATE MATERIALIZED VIEW v AS SELECT b FROM a;\nCREATE UNIQUE INDEX v_b ON v (b);",
            "V3__C.sql": "CREATE INDEX CONCURRENTLY old_b ON old (b);",
            "V4__D.sql": "UPDATE old SET b = 'DELETE FROM x; TRUNCATE y' WHERE b IS NULL;\n"
            "DELETE FROM old USING a WHERE a.b = old.b;\nCOMMENT ON TABLE a IS 'DROP TABLE a CASCADE';\n"
            "REFRESH MATERIALIZED VIEW CONCURRENTLY w;\nCREATE ROLE r PASSWORD '${secret}';",
        }
    )
    assert found(trellis, folder, "--placeholder", "secret=x") == []


NEW = """
ALTER TABLE a RENAME COLUMN b TO c;
ALTER TABLE a ALTER COLUMN c TYPE bigint USING c::bigint, ADD COLUMN d bigint NOT NULL;
ALTER TABLE a ADD COLUMN e timestamptz DEFAULT clock_timestamp(), ALTER COLUMN d SET NOT NULL, DROP COLUMN d CASCADE;
ALTER TABLE a ADD COLUMN f bigint REFERENCES old (id), ADD UNIQUE (c), ADD CHECK (c > 0), SET UNLOGGED;
CREATE INDEX a_c ON a (c);
ALTER INDEX a_c RENAME TO a_d;
REINDEX INDEX public.a_d;
DROP INDEX a_d;
LOCK TABLE a;
DELETE FROM a;
TRUNCATE public.a;
ALTER TABLE public.a RENAME TO g;
CREATE INDEX g_c ON g (c);
REINDEX TABLE g;
DROP TABLE g, public.h CASCADE;
"""


def test_what_the_same_run_makes_is_new_to_every_rule(trellis: Trellis, write: Write) -> None:
    tables = "CREATE TABLE a (b text);\nCREATE TABLE h (b text);\n"
    folder = write({"V1__A.sql": tables, "V2__B.sql": NEW})
    assert found(trellis, folder) == []
    write({"V1__A.sql": "SELECT 1;", "V2__B.sql": tables + NEW})
    assert found(trellis, folder) == []
    # With one that was there before it is another matter.
    old = "DROP TABLE a, old;\nTRUNCATE h, old;\nCREATE INDEX old_b ON old (b);\nDROP INDEX old_b;"
    write({"V2__B.sql": tables + old})
    assert {one[1:4] for one in found(trellis, folder)} == {
        (3, 1, "ban-drop-table"),
        (4, 1, "trellis-truncate"),
        (5, 1, "require-concurrent-index-creation"),
        (6, 1, "require-concurrent-index-deletion"),
    }


@pytest.mark.parametrize("default", ["localtimestamp", "current_timestamp(3)", "localtime (0)", "CURRENT_DATE"])
def test_a_default_that_is_the_same_for_every_row_is_no_rewrite(trellis: Trellis, write: Write, default: str) -> None:
    folder = write({"V1__A.sql": f"ALTER TABLE old ADD COLUMN a timestamptz DEFAULT {default};"})
    assert found(trellis, folder) == []


def test_an_index_on_a_table_of_an_earlier_release_is_found(trellis: Trellis, write: Write) -> None:
    folder = write({"V1__A.sql": "CREATE TABLE a (b text);", "V2__B.sql": "CREATE INDEX a_b ON a (b);"})
    done = trellis("check", "--folder", folder, "--since", "1")
    assert done.code == 1
    assert "V2__B.sql:1:1: error:" in done.out
    assert "[require-concurrent-index-creation]" in done.out
    assert "1 file reviewed and run on a throw-away server, 1 error and 0 warnings." in done.out


def test_places_are_those_of_the_file(trellis: Trellis, write: Write) -> None:
    """With placeholders of another length, letters beyond ASCII, a byte order mark and CRLF before them."""
    text = "-- é ${long}\r\nSELECT 'ü${long}'; DROP TABLE old;\r\nTRUNCATE old;\r\n"
    folder = write({"V1__A.sql": b"\xef\xbb\xbf" + text.encode()})
    assert found(trellis, folder, "--placeholder", f"long={'x' * 90}") == [
        ("V1__A.sql", 2, 20, "ban-drop-table", "error"),
        ("V1__A.sql", 3, 1, "trellis-truncate", "error"),
    ]


def test_a_legacy_file_is_reviewed_and_run(trellis: Trellis, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "BEGIN;\nCREATE TABLE a (b text);\nCOPY a FROM stdin;\nit's\nDROP TABLE a;\n\\.\n"
            "DROP TABLE old;\nCOMMIT;",
            "migrations.conf": "legacy=V1__A.sql",
        }
    )
    assert found(trellis, folder) == [("V1__A.sql", 7, 1, "ban-drop-table", "error")]
    done = trellis("check", "--folder", write({"V1__A.sql": "BEGIN;\nCREATE TABLE a (b text);\nCOMMIT;"}), "--all")
    assert "1 file reviewed and run on a throw-away server, nothing found." in done.out


def test_a_mixture_that_runs_outside_a_transaction(trellis: Trellis, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "CREATE INDEX CONCURRENTLY a ON old (b);\nCOMMENT ON TABLE old IS 'x';",
            "V2__B.sql": "COMMENT ON TABLE old IS 'x';",
            "V2__B.sql.conf": "executeInTransaction=false",
        }
    )
    assert [one[:4] for one in found(trellis, folder)] == [
        ("V1__A.sql", 1, 1, "trellis-outside-transaction"),
        ("V2__B.sql", 1, 1, "trellis-outside-transaction"),
    ]


def test_a_comment_above_a_statement_takes_findings_back(trellis: Trellis, write: Write) -> None:
    folder = write(
        {
            "V1__A.sql": "-- Nobody has used it since 2.3.\n-- trellis-ignore ban-drop-table, trellis-truncate\n"
            "DROP TABLE old;\nTRUNCATE other;"
        }
    )
    assert [one[1:4] for one in found(trellis, folder)] == [(4, 1, "trellis-truncate")]


def test_pending_files_are_those_the_database_has_not(trellis: Trellis, database: Database, write: Write) -> None:
    folder = write(
        {"V1__A.sql": "CREATE TABLE a (b text);", "R__V.sql": "CREATE OR REPLACE VIEW v AS SELECT b FROM a;"}
    )
    given = ("--url", url(database), "--folder", folder)
    assert trellis("migrate", *given).code == 0
    nothing = trellis("check", *given)
    assert (nothing.code, nothing.out) == (0, "Nothing is pending.\n")
    write({"V2__B.sql": "CREATE INDEX a_b ON a (b);", "V3__C.sql": "BEGIN;", "V0.1__Late.sql": "TRUNCATE a;"})
    done = trellis("check", *given, "--json")
    assert done.code == 1
    (result,) = json.loads(done.out)["databases"]
    assert result["files"] == 3
    assert [(Path(one["file"]).name, one["rule"]) for one in result["findings"]] == [
        ("V0.1__Late.sql", "trellis-refused"),
        ("V0.1__Late.sql", "trellis-truncate"),
        ("V2__B.sql", "require-concurrent-index-creation"),
        ("V3__C.sql", "trellis-refused"),
        ("migrations", "trellis-not-shadowed"),
    ]


def test_what_was_applied_and_is_not_what_it_was(trellis: Trellis, database: Database, write: Write) -> None:
    folder = write({f"V{number}__T.sql": f"CREATE TABLE t{number} (a text);" for number in (1, 2, 4)})
    given = ("--url", url(database), "--folder", folder)
    assert trellis("migrate", *given).code == 0
    write({"V1__T.sql": "CREATE TABLE t1 (b text);", "V3__T.sql": "CREATE TABLE t3 (a text);"})
    (folder / "V2__T.sql").unlink()
    done = trellis("check", *given, "--no-shadow", "--json")
    assert done.code == 1
    (result,) = json.loads(done.out)["databases"]
    assert {one["rule"] for one in result["findings"] if one["severity"] == "error"} == {REFUSED}
    said = {one["file"].rpartition("/")[2]: one["message"] for one in result["findings"]}
    assert "V1__T.sql" in said
    assert "V3__T.sql" in said
    assert any("V2__T.sql" in message for message in said.values())


def test_a_database_without_history_is_to_get_a_baseline(trellis: Trellis, database: Database, write: Write) -> None:
    database.run("CREATE TABLE a (b text)")
    folder = write({"V1__A.sql": "CREATE TABLE a (b text);"})
    for arguments in ((), ("--no-shadow",)):
        done = trellis("check", "--url", url(database), "--folder", folder, *arguments)
        assert done.code == 1
        assert f"{folder}: error: The schema 'public' is in use and has no history: `trellis baseline`" in done.out
        assert "trellis-shadow-failed" not in done.out
    done = trellis("migrate", "--url", url(database), "--folder", folder)
    assert "`trellis baseline` records what version they are" in done.err


def test_markdown_is_a_table(trellis: Trellis, write: Write) -> None:
    folder = write({"V1__A.sql": "DROP TABLE old;"})
    done = trellis("check", "--folder", folder, "--all", "--no-shadow", "--markdown")
    assert done.code == 1
    assert done.out.startswith(
        "## Migrations reviewed\n\n### database\n\n1 file reviewed, 1 error and 0 warnings.\n\n|"
    )
    (row,) = (line for line in done.out.splitlines() if line.startswith("| error"))
    assert row.startswith("| error | `")
    assert "V1__A.sql:1:1` | ban-drop-table | Dropping a table may break existing clients.<br>" in row
    assert row.count("|") == 5


def test_a_folder_that_cannot_be_used(trellis: Trellis, write: Write, tmp_path: Path) -> None:
    missing = trellis("check", "--folder", tmp_path / "nothing", "--all")
    assert missing.code == 1
    assert "does not exist" in missing.err
    badly_named = write({"x.sql": "SELECT 1;"})
    assert [one[3] for one in found(trellis, badly_named)] == ["trellis-refused"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--no-shadow"], "squawk is not installed, and `check` needs it: pip install squawk-cli=="),
        ([], "This needs pg_dump, and it is not on PATH."),
    ],
)
def test_a_missing_program_is_said(write: Write, tmp_path: Path, arguments: list[str], said: str) -> None:
    folder = write({"V1__A.sql": "SELECT 1;"})
    program = tmp_path / "elsewhere.py"
    program.write_text(
        "import sys\nsys.executable = '/nowhere/python'\n"
        "from trellis.operations.check.shadow import programs\nprograms._PACKAGED = ()\n"
        "from trellis.operations.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, program, "check", "--folder", folder, "--all", *arguments],
        env={
            "PATH": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "TRELLIS_CACHE": str(tmp_path),
            "TRELLIS_POSTGRESQL": str(parts().postgresql),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr


def test_the_page_lists_every_rule_that_counts_differently() -> None:
    page = (ROOT / "docs" / "command.md").read_text()
    ours = (*(rule.name for rule in RULES), *(one.rule for one in BREAKS), LONG_LOCK, FAILED, NOT_RUN, REFUSED)
    for rule in (*MOOT, *ERRORS, *ours, "trellis-outside-transaction", "trellis-not-seen-by-flyway"):
        assert f"`{rule}`" in page, rule
