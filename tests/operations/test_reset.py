"""`trellis reset` on a real server: everything goes, everything comes back, and production is left alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Options, Target, admit, migrate
from trellis.operations import resets
from trellis.operations.databases import Database as Reached
from trellis.operations.databases import Sources
from trellis.server.scram import verifier

FILES = {
    "V1__Start.sql": "CREATE EXTENSION citext; CREATE TABLE account (id int PRIMARY KEY, email citext NOT NULL);",
    "V2__Reports.sql": "CREATE SCHEMA reports; CREATE VIEW reports.accounts AS SELECT count(*) FROM account;",
}


@pytest.fixture
def reached(database: Database, tmp_path: Path) -> Reached:
    folder, seeds = tmp_path / "migrations", tmp_path / "seeds"
    for path, files in (
        (folder, FILES),
        (seeds, {"V1__Accounts.sql": "INSERT INTO account VALUES (1, 'A@example.org');"}),
    ):
        path.mkdir()
        for name, text in files.items():
            (path / name).write_text(text)
    sources = Sources(name="db/shop", database="shop", folder=folder, placeholders={}, seeds=seeds, production=False)
    return Reached(sources=sources, target=Target(database.parameters()))


def test_a_reset_empties_migrates_and_puts_the_test_data_in(reached: Reached, database: Database) -> None:
    migrate(reached.target, reached.sources.folder, {})
    with reached.target.connect() as connection:
        connection.execute("CREATE TABLE forgotten (); INSERT INTO account VALUES (2, 'b@example.org')")
    assert dict(resets.lost(reached).schemas) == {"public": 3, "reports": 0}
    for _ in range(2):
        report = resets.reset(reached, Options())
        assert [one.script for one in report.applied] == list(FILES)
        with reached.target.connect() as connection:
            assert connection.execute("SELECT id, email FROM account").fetchall() == [(1, "A@example.org")]
            assert connection.execute("SELECT * FROM reports.accounts").fetchone() == (1,)
            assert connection.execute("SELECT to_regclass('forgotten')").fetchone() == (None,)
            assert connection.execute("SELECT has_schema_privilege('public', 'public', 'USAGE')").fetchone() == (True,)
            assert connection.execute("SELECT has_schema_privilege('public', 'public', 'CREATE')").fetchone() == (
                False,
            )


def test_the_reviewer_is_let_in_again(reached: Reached, database: Database) -> None:
    migrate(reached.target, reached.sources.folder, {})
    login = Target(database.parameters("reviewer", "reviewer"))
    try:
        admit(reached.target, "reviewer", verifier("reviewer", "reviewer"))
        resets.reset(replace(reached, reviewer="reviewer"), Options())
        with login.connect() as connection:
            assert connection.execute("SELECT count(*) FROM flyway_schema_history").fetchone() == (2,)
    finally:
        database.run("DROP OWNED BY reviewer", "DROP ROLE reviewer")


def test_production_is_never_reset(reached: Reached) -> None:
    migrate(reached.target, reached.sources.folder, {})
    production = Reached(
        sources=Sources(name="db/shop", database="shop", folder=reached.sources.folder, placeholders={}),
        target=reached.target,
    )
    for attempt in (lambda: resets.reset(production, Options()), lambda: resets.lost(production)):
        with pytest.raises(MigrationError, match=r"production .*nothing is reset") as raised:
            attempt()
        assert raised.value.state == "Nothing was changed."
    with reached.target.connect() as connection:
        assert connection.execute("SELECT count(*) FROM account").fetchone() == (0,)


def test_a_file_that_cannot_be_read_leaves_the_database_as_it_is(reached: Reached) -> None:
    migrate(reached.target, reached.sources.folder, {})
    (reached.sources.folder / "V2__Again.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError):
        resets.reset(reached, Options())
    with reached.target.connect() as connection:
        assert connection.execute("SELECT to_regclass('account') IS NOT NULL").fetchone() == (True,)
