"""Applying migrations to a real PostgreSQL."""

import json
from collections.abc import Callable

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import ADMIN, PASSWORD, Database
from trellis.migrator import MigrationError, Options, Report, Target, migrate

Run = Callable[..., Report]


def test_apply_record_and_nothing_to_do(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1.0.0__Create_table.sql": "CREATE TABLE ${name} (id int PRIMARY KEY);\n-- the end",
            "V1.0.1__Fill.sql": "INSERT INTO ${NAME} VALUES (1);\nINSERT INTO ${name} VALUES (2)",
            "R__View.sql": "CREATE OR REPLACE VIEW v AS SELECT '${flyway:database}' AS d, '${flyway:filename}' AS f;",
        }
    )
    report = run(folder, {"name": "things"})
    assert [(done.version, done.script) for done in report.applied] == [
        ("1.0.0", "V1.0.0__Create_table.sql"),
        ("1.0.1", "V1.0.1__Fill.sql"),
        (None, "R__View.sql"),
    ]
    assert (report.initial_version, report.current_version, report.total_applied) == (None, "1.0.1", 3)
    assert report.database == database.name
    assert report.server_version.startswith("17.")
    assert database.rows("SELECT d, f FROM v") == [(database.name, "R__View.sql")]
    assert database.rows("SELECT count(*) FROM things") == [(2,)]
    recorded = database.history()
    assert [row[:5] for row in recorded] == [
        (1, "1.0.0", "Create table", "SQL", "V1.0.0__Create_table.sql"),
        (2, "1.0.1", "Fill", "SQL", "V1.0.1__Fill.sql"),
        (3, None, "View", "SQL", "R__View.sql"),
    ]
    assert [row[5] for row in recorded] == [done.checksum for done in report.applied]
    assert database.rows("SELECT DISTINCT installed_by FROM flyway_schema_history") == [(ADMIN,)]

    again = run(folder, {"name": "things"})
    assert again.applied == ()
    assert (again.initial_version, again.current_version, again.total_applied) == ("1.0.1", "1.0.1", 3)
    assert database.history() == recorded


def test_the_history_table_is_flyways(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__x.sql": "SELECT 1;"}))
    columns = database.rows(
        "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_name = 'flyway_schema_history' ORDER BY ordinal_position"
    )
    assert columns == [
        ("installed_rank", "integer", None, "NO", None),
        ("version", "character varying", 50, "YES", None),
        ("description", "character varying", 200, "NO", None),
        ("type", "character varying", 20, "NO", None),
        ("script", "character varying", 1000, "NO", None),
        ("checksum", "integer", None, "YES", None),
        ("installed_by", "character varying", 100, "NO", None),
        ("installed_on", "timestamp without time zone", None, "NO", "now()"),
        ("execution_time", "integer", None, "NO", None),
        ("success", "boolean", None, "NO", None),
    ]
    indexes = database.rows("SELECT indexname FROM pg_indexes WHERE tablename = 'flyway_schema_history' ORDER BY 1")
    assert indexes == [("flyway_schema_history_pk",), ("flyway_schema_history_s_idx",)]


def test_a_report_is_json_and_holds_no_secret(database: Database, write: Write, run: Run) -> None:
    report = run(write({"V1__x.sql": "SELECT '${app_password}';"}), {"app_password": "hunter22"})
    text = json.dumps(report.to_dict())
    assert "hunter22" not in text
    assert PASSWORD not in text
    assert json.loads(text)["applied"][0]["script"] == "V1__x.sql"
    assert json.loads(text)["restore_lsn"] == report.restore_lsn


def test_a_repeatable_runs_again_when_it_changes(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "SELECT 1;", "R__v.sql": "CREATE OR REPLACE VIEW v AS SELECT ${number} AS n;"})
    run(folder, {"number": "1"})
    assert run(folder, {"number": "1"}).applied == ()
    assert [done.script for done in run(folder, {"number": "2"}).applied] == ["R__v.sql"]
    assert database.rows("SELECT n FROM v") == [(2,)]
    assert [row[0] for row in database.history()] == [1, 2, 3]


def test_repeatables_run_again_where_that_is_asked(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "CREATE TABLE x (a int);", "R__v.sql": "CREATE OR REPLACE VIEW v AS SELECT 1 AS n;"})
    run(folder)
    assert [done.script for done in run(folder, repeat=True).applied] == ["R__v.sql"]
    assert [row[0] for row in database.history()] == [1, 2, 3]
    assert run(folder).applied == ()


def test_an_edited_migration_is_refused(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "CREATE TABLE x (a int);"})
    run(folder)
    write({"V1__x.sql": "CREATE TABLE x (a int, b int);", "V2__y.sql": "CREATE TABLE y (a int);"})
    with pytest.raises(MigrationError, match="changed after it was applied"):
        run(folder)
    assert database.rows("SELECT to_regclass('y')") == [(None,)]


@pytest.mark.parametrize(
    ("sql", "line", "column", "sqlstate", "says"),
    [
        ("CREATE TABLE y (a int);\n\nINSERT INTO nope VALUES (1);\n", 3, 13, "42P01", 'relation "nope" does not exist'),
        ("CREATE TABLE y (a int);\n\tSELECT 1/0;", 2, 2, "22012", "division by zero"),
        ("-- é\nCREAT TABLE y (a int);", 2, 1, "42601", 'syntax error at or near "CREAT"'),
        ("SELECT ${empty}${long} +;\nSELECT 1;", 1, 25, "42601", 'syntax error at or near ";"'),
        ("SELECT 'é', ${long}, nope;", 1, 22, "42703", 'column "nope" does not exist'),
        ("CREATE TABLE y (a int);\nDO $$\nBEGIN\n  RAISE 'no %', 7;\nEND $$;", 2, 1, "P0001", "no 7"),
    ],
)
def test_a_failure_keeps_what_is_before_and_nothing_of_its_own(
    database: Database, write: Write, run: Run, sql: str, line: int, column: int, sqlstate: str, says: str
) -> None:
    folder = write(
        {
            "V1__before.sql": "CREATE TABLE before (a int);",
            "V2__fails.sql": sql,
            "V3__after.sql": "CREATE TABLE after (a int);",
        }
    )
    with pytest.raises(MigrationError) as raised:
        run(folder, {"empty": "", "long": "1 + 1 + 1 + 1"})
    error = raised.value
    assert (error.file, error.line, error.column, error.sqlstate) == (
        str(folder / "V2__fails.sql"), line, column, sqlstate,
    )  # fmt: skip
    assert says in error.message
    assert "Nothing of V2__fails.sql was kept." in str(error)
    assert "version 1 is current" in str(error)
    assert [row[1] for row in database.history()] == ["1"]
    assert database.rows("SELECT to_regclass('before')::text, to_regclass('y'), to_regclass('after')") == [
        ("before", None, None)
    ]
    write({"V2__fails.sql": "CREATE TABLE y (a int);"})
    assert run(folder).current_version == "3"


def test_a_constraint_that_fails_at_commit(database: Database, write: Write, run: Run) -> None:
    folder = write(
        {
            "V1__a.sql": "CREATE TABLE a (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);",
            "V2__b.sql": "INSERT INTO a VALUES (1), (1);",
            "V3__c.sql": "CREATE TABLE c (a int);",
        }
    )
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert (raised.value.file, raised.value.sqlstate) == (str(folder / "V2__b.sql"), "23505")
    assert "At COMMIT, where what is deferred is checked: duplicate key" in str(raised.value)
    assert "Key (id)=(1) already exists." in str(raised.value)
    assert [row[1] for row in database.history()] == ["1"]
    assert database.rows("SELECT to_regclass('c')") == [(None,)]


@pytest.mark.parametrize(
    ("sql", "line", "sqlstate"),
    [
        ("ALTER TYPE mood ADD VALUE 'calm';\nINSERT INTO m VALUES ('calm');", 2, "55P04"),
        ("SELECT 1;\nCALL p();", 2, "2D000"),
        ("DO $$ BEGIN COMMIT; END $$;", 1, "2D000"),
        ("SELECT 1; REINDEX TABLE parts;", 1, "25001"),
        ("CLUSTER parts USING parts_a;", 1, "25001"),
    ],
)
def test_what_needs_no_transaction_is_told_so(
    database: Database, write: Write, run: Run, sql: str, line: int, sqlstate: str
) -> None:
    folder = write(
        {
            "V1__a.sql": "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE m (a mood);"
            "CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE INDEX parts_a ON parts (a);"
            " CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;",
            "V2__b.sql": sql,
        }
    )
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert (raised.value.line, raised.value.sqlstate) == (line, sqlstate)
    assert "-- trellis: no-transaction above the first statement" in str(raised.value)
    assert "executeInTransaction=false into V2__b.sql.conf" in str(raised.value)
    write({"V2__b.sql": f"-- trellis: no-transaction\n{sql}"})
    assert run(folder).current_version == "2"


def test_a_file_sets_what_it_likes_and_the_next_starts_afresh(database: Database, write: Write, run: Run) -> None:
    database.run("DROP ROLE IF EXISTS nobody_much", "CREATE ROLE nobody_much", "GRANT nobody_much TO CURRENT_USER")
    folder = write(
        {
            "V1__sets.sql": (
                "CREATE SCHEMA other;\nGRANT ALL ON SCHEMA other TO nobody_much;\n"
                "SET search_path TO other; SET lock_timeout = 1; SET statement_timeout = 7654;"
                "SET TIME ZONE 'Asia/Tokyo';"
                "SELECT set_config('work_mem', '77MB', false); SET ROLE nobody_much; CREATE TABLE mine (a int);"
            ),
            "V2__sees.sql": (
                "CREATE TABLE seen AS SELECT current_user::text AS who, current_setting('search_path') AS path,"
                " current_setting('lock_timeout') AS l, current_setting('statement_timeout') AS s,"
                " current_setting('work_mem') AS m;"
            ),
            "V3__first_statement.sql": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE s (a int);",
            "V4__resets.sql": "RESET ALL; SET SESSION AUTHORIZATION nobody_much;",
        }
    )
    report = run(folder)
    assert report.current_version == "4"
    assert database.rows("SELECT who, path, l, s, m FROM public.seen") == [
        (ADMIN, '"public","$user", public', "5s", "0", "4MB")
    ]
    assert database.rows("SELECT DISTINCT installed_by FROM flyway_schema_history") == [(ADMIN,)]
    zone = database.rows("SELECT max(now()::timestamp - installed_on) < interval '1 hour' FROM flyway_schema_history")
    assert zone == [(True,)], "the time is the session's own, not that of Tokyo"


def test_a_schema_of_its_own_is_made_and_noted(database: Database, write: Write) -> None:
    target = Target(database.parameters(), schema='My "own"')
    report = migrate(target, write({"V1__x.sql": "CREATE TABLE x (a int);"}), {})
    assert report.schema == 'My "own"'
    rows = database.rows(
        'SELECT installed_rank, version, description, type, script FROM "My ""own""".flyway_schema_history ORDER BY 1'
    )
    assert rows == [
        (0, None, "<< Flyway Schema Creation >>", "SCHEMA", '"My ""own"""'),
        (1, "1", "x", "SQL", "V1__x.sql"),
    ]
    assert database.rows('SELECT count(*) FROM "My ""own""".x') == [(0,)]
    assert migrate(target, write({}), {}).applied == ()


def test_a_database_in_use_is_not_migrated_unasked(database: Database, write: Write, run: Run) -> None:
    database.run("CREATE TABLE old (a int)")
    folder = write({"V1__old.sql": "CREATE TABLE old (a int);", "V2__new.sql": "CREATE TABLE new (a int);"})
    with pytest.raises(MigrationError, match="holds objects, but no migration history"):
        run(folder)
    assert database.rows("SELECT to_regclass('flyway_schema_history')") == [(None,)]
    report = run(folder, baseline_version="1")
    assert [done.version for done in report.applied] == ["2"]
    assert database.history()[0] == (1, "1", "<< Flyway Baseline >>", "BASELINE", "<< Flyway Baseline >>", None, True)


def test_extensions_do_not_make_a_schema_used(database: Database, write: Write, run: Run) -> None:
    database.run("CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION citext")
    assert run(write({"V1__x.sql": "SELECT 1;"})).current_version == "1"


def test_many_files_and_a_failure_late(database: Database, write: Write, run: Run) -> None:
    files: dict[str, str | bytes] = {f"V{n}__t.sql": f"CREATE TABLE t{n} (a int);\nSELECT {n};" for n in range(1, 301)}
    folder = write(
        files | {"V250__t.sql": "CREATE TABLE t250 (a int);\nSELECT 1 / (a - a) FROM generate_series(1, 1) a;"}
    )
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert (raised.value.file, raised.value.line) == (str(folder / "V250__t.sql"), 2)
    assert [row[:2] for row in database.history()] == [(n, str(n)) for n in range(1, 250)]
    write({"V250__t.sql": files["V250__t.sql"]})
    assert len(run(folder).applied) == 51
    assert database.rows("SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]+$'") == [(300,)]
    assert [row[0] for row in database.history()] == list(range(1, 301))


def test_a_file_of_many_messages_is_one_transaction(database: Database, write: Write, run: Run) -> None:
    rows = "".join(f"INSERT INTO big VALUES ({n}, '{'x' * 1000}');\n" for n in range(3500))
    folder = write({"V1__t.sql": "CREATE TABLE big (a int, b text);", "V2__big.sql": rows + "SELECT 1/0;"})
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert (raised.value.line, raised.value.sqlstate) == (3501, "22012")
    assert database.rows("SELECT count(*) FROM big") == [(0,)]
    write({"V2__big.sql": rows, "V3__after.sql": "SELECT 1;"})
    assert run(folder).current_version == "3"
    assert database.rows("SELECT count(*) FROM big") == [(3500,)]


def test_a_large_file_that_changes_while_it_runs(database: Database, write: Write, run: Run) -> None:
    rows = f"INSERT INTO big VALUES (1, '{'x' * 1000}');\n" * 5000
    big = "CREATE TABLE big (a int, b text);\nDO $$ BEGIN RAISE NOTICE 'begun'; END $$;\n" + rows
    folder = write({"V1__before.sql": "CREATE TABLE before (a int);", "V2__big.sql": big})

    def change(line: str) -> None:
        if line == "NOTICE: begun":
            write({"V2__big.sql": big + "SELECT 'one more';"})

    with pytest.raises(MigrationError, match="changed or removed while the migrator was at work") as raised:
        run(folder, progress=change)
    assert "Nothing of V2__big.sql was kept. 1 of this run's migrations is applied; version 1 is current." in str(
        raised.value
    )
    assert database.rows("SELECT to_regclass('big')") == [(None,)]
    assert run(folder).current_version == "2"
    assert database.rows("SELECT count(*) FROM big") == [(5000,)]


def test_a_lock_that_is_released_in_time(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__x.sql": "CREATE TABLE x (a int);"}))
    folder = write({"V2__first.sql": "CREATE TABLE f (a int);", "V3__x.sql": "ALTER TABLE x ADD COLUMN b int;"})
    told: list[str] = []
    with database.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE x IN ACCESS SHARE MODE")

        def release(line: str) -> None:
            told.append(line)
            if "Trying again" in line and len([one for one in told if "Trying again" in one]) == 2:
                holder.execute("ROLLBACK")

        report = run(folder, lock_timeout=0.05, retry_delay=0.01, progress=release)
    assert [done.version for done in report.applied] == ["2", "3"]
    assert any("V3__x.sql" in line and "55P03" in line for line in told)


def test_a_lock_that_is_not(database: Database, write: Write, run: Run) -> None:
    run(write({"V1__x.sql": "CREATE TABLE x (a int);"}))
    folder = write({"V2__x.sql": "SELECT 1;\nALTER TABLE x ADD COLUMN b int;"})
    with database.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE x IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError) as raised:
            run(folder, lock_timeout=0.05, retries=2, retry_delay=0.01)
        error = raised.value
        assert (error.line, error.sqlstate) == (2, "55P03")
        assert error.hint is not None
        assert f"Tried 3 times. A lock on x is held by pid {holder.info.backend_pid} (" in error.hint
        assert "idle in transaction" in error.hint
        assert "LOCK TABLE" not in str(error), "its query may hold a secret"
    assert "Nothing of V2__x.sql was kept" in str(error)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
@pytest.mark.parametrize("head", ["", "-- trellis: no-transaction\n"])
def test_what_may_pass_the_next_time_is_tried_again(
    database: Database, write: Write, run: Run, sqlstate: str, head: str
) -> None:
    # A sequence keeps its count when a transaction is rolled back.
    fails_twice = (
        "CREATE FUNCTION attempt() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') < 3 THEN"
        f" RAISE 'not yet' USING ERRCODE = '{sqlstate}'; END IF; RETURN 1; END $$;"
    )
    folder = write({"V1__f.sql": f"CREATE SEQUENCE tries; {fails_twice}", "V2__x.sql": f"{head}SELECT attempt();"})
    told: list[str] = []
    assert run(folder, retry_delay=0.01, progress=told.append).current_version == "2"
    assert [f"not yet (SQLSTATE {sqlstate})" in line for line in told].count(True) == 2


def test_who_holds_a_lock(database: Database, write: Write, run: Run) -> None:
    run(
        write(
            {
                "V1__x.sql": 'CREATE TABLE "A b" (a int); CREATE TABLE p (a int) PARTITION BY LIST (a);'
                "CREATE TABLE c PARTITION OF p DEFAULT; CREATE TABLE read (a int);"
            }
        )
    )
    waits = {
        'LOCK TABLE "A b" IN SHARE MODE': ('UPDATE "A b" SET a = 1;', "A b"),
        "SELECT * FROM c": ("ALTER TABLE p ADD COLUMN b int;", "c"),
        "INSERT INTO read VALUES (1)": ("CREATE INDEX CONCURRENTLY i ON read (a);", "read"),
    }
    for held, (sql, table) in waits.items():
        folder = write({"V2__x.sql": f"-- trellis: lock_timeout=50ms\n{sql}"})
        with database.connect() as reader, database.connect() as holder:
            reader.execute("BEGIN; SELECT * FROM read")
            holder.execute("SET application_name = 'the one'")
            holder.execute("BEGIN")
            holder.execute(held.encode())
            with pytest.raises(MigrationError) as raised:
                run(folder, retries=0)
            assert f"A lock on {table} is held by pid {holder.info.backend_pid} (the one, user" in str(raised.value)
        run(folder)
        database.run("DELETE FROM flyway_schema_history WHERE version = '2'", "ALTER TABLE p DROP COLUMN IF EXISTS b")


def test_times_of_a_file_of_its_own(database: Database, write: Write, run: Run) -> None:
    shown = "INSERT INTO seen VALUES (current_setting('lock_timeout'), current_setting('statement_timeout'));"
    folder = write(
        {
            "V1__seen.sql": "CREATE TABLE seen (l text, s text);",
            "V2__own.sql": f"-- trellis: lock_timeout=77ms, statement_timeout=3h\n{shown}",
            "V3__the_run_s.sql": shown,
            "V4__alone.sql": f"-- trellis: no-transaction statement_timeout=4h\n{shown}VACUUM;{shown}",
        }
    )
    assert run(folder, lock_timeout=6).current_version == "4"
    assert database.rows("SELECT l, s FROM seen") == [("77ms", "3h"), ("6s", "0"), ("6s", "4h"), ("6s", "4h")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"SELECT 'abc;", "string is never closed"),
        (b"SELECT $a$ abc;", "a second $a$ is missing"),
        (b"CREATE TABLE x (a int);\r\nCOPY x FROM stdin;\r\n1\r\n\\.\r\n", "line 2, column 1: COPY ... FROM STDIN"),
        (b"\\i other.sql", "is a command of psql"),
        (b"SELECT 1;\0", "NUL byte"),
        (b"SELECT '\xe9';", "is not UTF-8"),
        ("SELECT 1;".encode("utf-16"), "is not UTF-8"),
        (b"SELECT '" + b"x" * 10_000_000, "line 1, column 8: this string is never closed"),
        (b"CREATE TABLE x (a int); COMMIT;", "COMMIT is not allowed"),
        (b"SELECT ${nope};", "no value is given"),
    ],
    ids=range(10),
)
def test_a_bad_file_stops_everything_before_it_begins(
    database: Database, write: Write, run: Run, content: bytes, says: str
) -> None:
    folder = write({"V1__good.sql": "CREATE TABLE good (a int);", "V2__bad.sql": content})
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert says in str(raised.value)
    assert raised.value.file == str(folder / "V2__bad.sql")
    assert database.rows("SELECT to_regclass('good'), to_regclass('flyway_schema_history')") == [(None, None)]


def test_ten_megabytes_on_one_line_and_a_mistake_at_its_end(database: Database, write: Write, run: Run) -> None:
    line = "CREATE TABLE x (a text); INSERT INTO x VALUES " + f"('{'x' * 100}')," * 100_000 + "('')"
    folder = write({"V1__x.sql": line + ", (nope);\r\n"})
    with pytest.raises(MigrationError) as raised:
        run(folder)
    assert (raised.value.line, raised.value.column) == (1, len(line) + 4)
    assert len(str(raised.value)) < 1000
    write({"V1__x.sql": line + ";\r\n"})
    run(folder)
    assert database.rows("SELECT count(*) FROM x") == [(100_001,)]


def test_a_statement_that_takes_too_long(database: Database, write: Write, run: Run) -> None:
    with pytest.raises(MigrationError) as raised:
        run(write({"V1__x.sql": "SELECT 1;\n SELECT pg_sleep(600);"}), statement_timeout=0.1)
    assert (raised.value.sqlstate, raised.value.line, raised.value.column) == ("57014", 2, 2)


def test_notices_are_passed_on(database: Database, write: Write, run: Run) -> None:
    told: list[str] = []
    run(write({"V1__x.sql": "DO $$ BEGIN RAISE NOTICE 'so far so good'; END $$;"}), progress=told.append)
    assert told == ["NOTICE: so far so good", told[1]]
    assert told[1].startswith("V1__x.sql applied in ")


def test_placeholders_may_be_left_alone(database: Database, write: Write, run: Run) -> None:
    folder = write({"V1__x.sql": "CREATE TABLE x AS SELECT '${as it is}'::text AS t;"})
    write({"V1__x.sql.conf": "placeholderReplacement=false\n"})
    run(folder)
    assert database.rows("SELECT t FROM x") == [("${as it is}",)]


def test_a_role_that_may_not_create(database: Database, write: Write) -> None:
    database.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN PASSWORD 'reader-secret'")
    target = Target(database.parameters("reader", "reader-secret"))
    with pytest.raises(MigrationError) as raised:
        migrate(target, write({"V1__x.sql": "SELECT 1;"}), {})
    assert raised.value.sqlstate == "42501"
    assert "needs CREATE on the schema" in str(raised.value)
    assert "reader-secret" not in str(raised.value)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Options(target="newest")
    with pytest.raises(ValueError, match="cannot be negative"):
        Options(lock_timeout=-1)
    with pytest.raises(ValueError, match="above zero"):
        Options(retry_delay=0)
