"""Rows of the past are put back beside what was written since: keys, generated columns, triggers, references."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.migrator.servers import Database, PostgreSQL
from trellis.migrator import Target
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.move.sides import Connection, Side
from trellis.operations.rescue import rows, tables

SCHEMA = """
CREATE SCHEMA shop; CREATE SCHEMA other;
CREATE TABLE shop.makers (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE shop.things (
  id bigint GENERATED ALWAYS AS IDENTITY, maker int NOT NULL REFERENCES shop.makers ON DELETE CASCADE,
  "Odd name" numeric, twice numeric GENERATED ALWAYS AS ("Odd name" * 2) STORED, hash text DEFAULT '', raw bytea,
  PRIMARY KEY (maker, id));
CREATE TABLE other.things (id int PRIMARY KEY);
CREATE TABLE shop.nameless (id int);
CREATE TABLE shop.days (day date, n int, note text, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
CREATE TABLE shop.days_1 PARTITION OF shop.days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE shop.log (at timestamptz DEFAULT now(), what text);
CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO shop.log (what) VALUES (TG_OP); NEW.name = NEW.name || ''; RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON shop.makers FOR EACH ROW EXECUTE FUNCTION shop.note();
INSERT INTO shop.makers SELECT n, 'maker ' || n FROM generate_series(1, 100) n;
INSERT INTO shop.things (maker, "Odd name", raw) SELECT n % 100 + 1, n, '\\x00ff09' FROM generate_series(1, 1000) n;
INSERT INTO shop.days SELECT '2026-03-01', n, E'a\\tb\\n' FROM generate_series(1, 50) n;
"""


@pytest.fixture
def then(server: PostgreSQL, database: Database) -> Iterator[Side]:
    """A copy of the database as it is before the test's own statements."""
    with database.connect() as connection:
        connection.execute(SCHEMA)
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE before TEMPLATE {database.name}")
    yield side(Database(server, "before"))
    with server.connect() as connection:
        connection.execute("DROP DATABASE before WITH (FORCE)")


def side(database: Database) -> Side:
    return Side(cluster="shop-db", database=database.name, target=Target(database.parameters()), peer={})


@contextmanager
def both(then: Side, database: Database) -> Iterator[tuple[Connection, Connection]]:
    with then.connect() as past, side(database).connect() as now:
        yield past, now


def rescued(
    then: Side, database: Database, *names: str, where: str | None = None, changed: bool = False
) -> list[rows.Rescued]:
    with both(then, database) as (past, now):
        wanted = tables.named(now, names)
        lost = [rows.find(number, table, past, now, where) for number, table in enumerate(wanted)]
        with now.transaction():
            return [rows.put_back(one, past, now, where, changed=changed) for one in lost]


def test_parents_come_before_their_children(then: Side, database: Database) -> None:
    with database.connect() as connection:
        whole = connection.execute("TABLE shop.things ORDER BY id").fetchall()
        connection.execute("DELETE FROM shop.makers WHERE id <= 40")
        connection.execute('INSERT INTO shop.things (maker, "Odd name") VALUES (50, 7)')
        (later,) = connection.execute("SELECT max(id) FROM shop.things").fetchone() or (0,)
    with side(database).connect() as now:
        makers, things = tables.named(now, ["shop.things", "makers"])
        assert (makers.name, things.name) == ('"shop"."makers"', '"shop"."things"')
        assert makers.cascades == {'"shop"."things"'}
        assert makers.triggers == (("noted", "INSERT"), ("noted", "UPDATE"))
    with pytest.raises(OperationError, match="Name that table too"):
        rescued(then, database, "shop.things")
    parents, children = rescued(then, database, "shop.things", "makers")
    assert (parents.inserted, children.inserted, children.in_the_way) == (40, 400, 0)
    with database.connect() as connection:
        assert connection.execute("SELECT * FROM shop.things WHERE id <> %s ORDER BY id", (later,)).fetchall() == whole
        # What is generated goes on behind what was written since.
        connection.execute("INSERT INTO shop.things (maker) VALUES (1)")
        # The trigger has fired for each.
        assert connection.execute("SELECT count(*) FROM shop.log WHERE what = 'INSERT'").fetchone() == (140,)


def test_rows_that_differ_stay_unless_they_are_asked_for(then: Side, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE shop.days SET note = 'spoilt' WHERE n <= 10; DELETE FROM shop.days WHERE n > 45")
    (one,) = rescued(then, database, "days")
    assert (one.inserted, one.updated) == (5, 0)
    (one,) = rescued(then, database, "days", where="n <= 3", changed=True)
    assert (one.inserted, one.updated) == (0, 3)
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM shop.days WHERE note = 'spoilt'").fetchone() == (7,)


def test_what_is_written_while_it_is_compared_stays(then: Side, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE shop.days SET note = 'spoilt'; DELETE FROM shop.days WHERE n > 45")
    with both(then, database) as (past, now):
        (table,) = tables.named(now, ["shop.days"])
        lost = rows.find(0, table, past, now, None)
        assert (lost.missing, lost.changed) == (5, 45)
        with database.connect() as connection:
            connection.execute("UPDATE shop.days SET note = 'later' WHERE n = 1")
            connection.execute("INSERT INTO shop.days VALUES ('2026-03-01', 50, 'later')")
        with now.transaction():
            one = rows.put_back(lost, past, now, None, changed=True)
    assert (one.inserted, one.in_the_way, one.updated, one.moved_on) == (4, 1, 44, 1)
    with database.connect() as connection:
        assert connection.execute("SELECT n FROM shop.days WHERE note = 'later' ORDER BY n").fetchall() == [(1,), (50,)]


def test_a_column_that_is_new_or_gone(then: Side, database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            "DELETE FROM shop.days WHERE n > 45; ALTER TABLE shop.days DROP note, ADD fresh int DEFAULT 7"
        )
    with both(then, database) as (past, now):
        (table,) = tables.named(now, ["days"])
        lost = rows.find(0, table, past, now, None)
        assert lost.left_out == ('"fresh"', '"note"')
        with now.transaction():
            assert rows.put_back(lost, past, now, None, changed=False).inserted == 5


@pytest.mark.parametrize(
    ("names", "kind", "said"),
    [
        (["nothing"], WrongCall, "no table here"),
        (["things"], WrongCall, "name its schema too"),
        (["nameless"], OperationError, "has no primary key"),
    ],
)
def test_what_cannot_be_named(
    then: Side, database: Database, names: list[str], kind: type[OperationError], said: str
) -> None:
    with side(database).connect() as now, pytest.raises(kind, match=said):
        tables.named(now, names)


def test_a_table_that_was_not_there(then: Side, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE shop.newer (id int PRIMARY KEY)")
    with pytest.raises(OperationError, match="was not there"):
        rescued(then, database, "newer")


def test_a_condition_that_cannot_be_read(then: Side, database: Database) -> None:
    for where, said in (
        ("nothing = 1", "does not exist"),
        ("n = ", "syntax error"),
        ("note::int = 1", "invalid input"),
    ):
        with pytest.raises(WrongCall, match=said):
            rescued(then, database, "days", where=where)


def test_nothing_is_half_put_back(then: Side, database: Database) -> None:
    with database.connect() as connection:
        connection.execute('DELETE FROM shop.makers; ALTER TABLE shop.things ADD CHECK ("Odd name" < 500)')
    with pytest.raises(OperationError, match="violates check constraint"):
        rescued(then, database, "makers", "shop.things")
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM shop.makers").fetchone() == (0,)
