"""Who reviews: a login that serves `check` and the report alone, and reads no row."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.operations.test_stack import Command
from tests.stacks.harness import local_stack, open_folder, program_copy
from trellis.development.bring import bring

SQL = Path("migrations", "villa", "villa")


@pytest.fixture(scope="module")
def reviewed() -> Iterator[Command]:
    """A stack whose administrator's password nobody knows any more, with a migration to come."""
    with program_copy() as program, local_stack(bring(), root=program) as stack, open_folder() as temporary:
        stack.up()
        stack.must("preview", "--expect-no-changes")
        with stack.connect(stack.outputs()["direct_uris"]["villa-db"]["villa"]) as connection:
            connection.execute("ALTER ROLE doadmin PASSWORD 'another one'")
        (program / SQL / "V1.0.7__Index.sql").write_text("CREATE INDEX profiles_style ON profiles (avatar_style);")
        yield Command(stack, temporary)


def test_it_reads_no_row_and_changes_nothing(reviewed: Command) -> None:
    stack = reviewed.stack
    with stack.connect(stack.outputs()["review_uris"]["villa-db"]["villa"]) as connection:
        assert connection.execute("SELECT count(*) FROM flyway_schema_history").fetchone() == (9,)
        tables = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert "profiles" in {name for (name,) in tables}
        for statement in (
            "SELECT * FROM profiles",
            "SELECT nickname FROM profiles",
            "SELECT * FROM audit_log",
            "SELECT * FROM pg_authid",
            "LOCK TABLE profiles IN ACCESS SHARE MODE",
            "DELETE FROM flyway_schema_history",
            "SET ROLE doadmin",
            "SET ROLE villa_app",
            "CREATE TABLE mine (id int)",
        ):
            # What keeps it from writing by accident keeps nobody from it on purpose.
            connection.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())


def test_check_and_report_work_with_it_alone(reviewed: Command) -> None:
    assert reviewed.here("check", "--stack", "dev").code == 1
    checked = reviewed.here("check", "--stack", "dev", "--reviewer", "--json")
    (database,) = json.loads(checked.out)["databases"]
    assert [one["rule"] for one in database["findings"]] == ["require-concurrent-index-creation"], checked.err
    assert database["shadow"]["applied"] == ["V1.0.7__Index.sql"]
    assert (database["shadow"]["complete"], database["shadow"]["from_files"]) == (True, True)
    assert [(one["change"], one["name"]) for one in database["shadow"]["changes"]] == [
        ("added", "public.profiles_style")
    ]

    report = reviewed.here("preview-report", "--stack", "dev", "--reviewer", "--json")
    values = json.loads(report.out)
    assert (report.code, values["failures"]) == (4, []), report.err
    assert [one["file"] for one in values["migrations"][0]["findings"]] == [str(SQL / "V1.0.7__Index.sql")]


def test_check_needs_no_stack(reviewed: Command) -> None:
    stack = reviewed.stack
    uri = str(stack.outputs()["review_uris"]["villa-db"]["villa"])
    login, _, place = uri.removeprefix("postgresql://").partition("@")
    user, _, password = login.partition(":")
    authority = reviewed.temporary / "ca.crt"
    authority.write_text(stack.outputs()["ca_certificates"]["villa-db"])
    done = reviewed(
        *("check", "--url", f"postgresql://{user}@{place}&sslrootcert={authority}", "--folder", str(SQL)),
        *("--placeholder", "app_role=villa_app", "--no-shadow"),
        PGPASSWORD=password,
        PATH="/usr/bin:/bin",
    )
    assert done.code == 1, done.err
    assert "[require-concurrent-index-creation]" in done.out
