"""Files of other tools' time: transactions and COPY rows of their own, where their folder says so."""

from collections.abc import Callable

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Report, Target, validate

Run = Callable[..., Report]

WRAPPED = "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\nCOMMIT;\n-- the end\n"
COPY = (
    "CREATE TABLE c (id int, t text);\n"
    "copy c (id, t) from stdin; -- rows\n1\tit's; ${who} $$ /* (\n2\t\\N\n3\t\\\\.\n\\.\n"
    'COPY c FROM STDIN WITH (FORMAT csv);\r\n4,"four\r\n4"\r\n\\.\r\n'
    "COPY c FROM STDIN;\n\\.\nINSERT INTO c VALUES (9, 'é');\n"
)


def legacy(*scripts: str) -> dict[str, str]:
    return {"migrations.conf": "".join(f"legacy={script}\n" for script in scripts)}


@pytest.mark.parametrize(("sql", "line"), [(WRAPPED, 1), (COPY, 2), ("SELECT 1;\nEND;", 2), ("ROLLBACK;", 1)])
def test_a_file_that_is_not_named_is_refused_and_told_of_the_setting(
    database: Database, write: Write, run: Run, sql: str, line: int
) -> None:
    with pytest.raises(MigrationError, match=r"legacy=<its name> in the folder's migrations\.conf") as raised:
        run(write({"V1__x.sql": sql}), {"who": "me"})
    assert raised.value.line == line
    assert database.rows("SELECT to_regclass('flyway_schema_history')") == [(None,)]


def test_transactions_of_a_files_own(database: Database, write: Write, run: Run) -> None:
    files = {
        "V1__a.sql": WRAPPED,
        "V2__b.sql": "BEGIN ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE b AS SELECT current_setting("
        "'transaction_isolation') AS l;\nCOMMIT;\nBEGIN WORK; INSERT INTO b VALUES ('gone'); ROLLBACK;\n"
        "START TRANSACTION; INSERT INTO b VALUES ('kept'); COMMIT AND CHAIN; INSERT INTO b VALUES ('chained');"
        " END AND CHAIN;",
        "V3__c.sql": "CREATE TABLE d (id int);",
        "V4__e.sql": "COMMIT; CREATE TABLE e (id int); SET search_path = nowhere; SET lock_timeout = '7s';",
        "V5__f.sql": "CREATE TABLE f AS SELECT current_setting('lock_timeout') AS l; ABORT;",
        "V6__g.sql": "BEGIN; CREATE TABLE g (id int); COMMIT; CREATE INDEX CONCURRENTLY g_id ON g (id); VACUUM g;",
        **legacy("V1__a.sql", "V2__b.sql", "V3__c.sql", "V4__e.sql", "V5__f.sql", "V6__g.sql"),
    }
    report = run(write(files))
    assert [done.version for done in report.applied] == ["1", "2", "3", "4", "5", "6"]
    assert database.rows("SELECT l FROM b") == [("serializable",), ("kept",), ("chained",)]
    assert database.rows("SELECT id FROM a") == [(1,)]
    # As it says: what it did was taken back, and still it is applied.
    assert database.rows("SELECT to_regclass('f'), to_regclass('e')::text, to_regclass('g_id')::text") == [
        (None, "e", "g_id")
    ]
    assert [row[0] for row in database.history()] == [1, 2, 3, 4, 5, 6]
    assert run(write({})).applied == ()


def test_rows_of_a_copy(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__c.sql": COPY, **legacy("V1__c.sql")}), {"who": "me"})
    assert database.rows("SELECT id, t FROM c ORDER BY id") == [
        (1, "it's; me $$ /* ("),
        (2, None),
        (3, "\\."),
        (4, "four\r\n4"),
        (9, "é"),
    ]


def test_many_rows(database: Database, write: Write, run: Run) -> None:
    rows = "".join(f"{number}\t{'x' * 50}\n" for number in range(100_000))
    run(
        write({"V1__c.sql": f"CREATE TABLE c (a int, b text);\nCOPY c FROM stdin;\n{rows}\\.\n", **legacy("V1__c.sql")})
    )
    assert database.rows("SELECT count(*), min(length(b)) FROM c") == [(100_000, 50)]


@pytest.mark.parametrize(
    ("sql", "line", "sqlstate", "kept"),
    [
        ("BEGIN;\nCREATE TABLE a (id int);\nSELECT 1/0;\nCOMMIT;", 3, "22012", None),
        (
            "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nSELECT 1/0;",
            4,
            "22012",
            "The first 3 of 4 statements of V2__x.sql",
        ),
        ("BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nSELECT 1;\nSELECT nope;\nCOMMIT;", 5, "42703", "The first 3 of 6"),
        ("BEGIN;\nCREATE TABLE a (id int);\nEND AND CHAIN;\nSELECT 1/0;\nCOMMIT;", 4, "22012", "The first 3 of 5"),
        ("BEGIN;\nCREATE TABLE a (id int);\nROLLBACK;\nSELECT 1/0;\nCOMMIT;", 4, "22012", None),
        ("CREATE TABLE a (id int);\nCOPY a FROM STDIN;\n1\nx\n\\.\n", 2, "22P02", None),
        (
            "BEGIN;\nCREATE TABLE a (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1), (1);\n"
            "COMMIT;",
            4,
            "23505",
            None,
        ),
    ],
)
def test_a_failure_says_what_stays(
    database: Database, write: Write, run: Run, sql: str, line: int, sqlstate: str, kept: str | None
) -> None:
    folder = write({"V1__b.sql": "SELECT 1;", "V2__x.sql": sql, **legacy("V2__x.sql")})
    with pytest.raises(MigrationError) as raised:
        run(folder)
    error = raised.value
    assert (error.file, error.line, error.sqlstate) == (str(folder / "V2__x.sql"), line, sqlstate)
    assert (kept or "Nothing of V2__x.sql was kept.") in str(error)
    assert "ersion 1 is current" in str(error)
    assert [row[1] for row in database.history()] == ["1"]
    assert database.rows("SELECT to_regclass('a')::text") == [("a" if kept else None,)]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("COPY c FROM stdin; SELECT 1;\n\\.\n", "begin on the line after it"),
        ("COPY c FROM stdin;\n1\n2\n", "a line that says \\. is missing"),
        ("BEGIN; PREPARE TRANSACTION 'x';", "PREPARE TRANSACTION is not allowed"),
        ("COMMIT PREPARED 'x';", "COMMIT PREPARED is not allowed"),
        ("COPY c TO STDOUT;", "nowhere to put them"),
    ],
)
def test_what_a_legacy_file_may_not_do_either(database: Database, write: Write, sql: str, says: str) -> None:
    (error,) = validate(Target(database.parameters()), write({"V1__x.sql": sql, **legacy("V1__x.sql")}), {})
    assert says in error.message
