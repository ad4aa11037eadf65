"""A second login of a role is the role, with its settings, for an administrator that is no superuser."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.migrator.servers import Database
from trellis.migrator import MigrationError, Target, join, may_join

ADMIN = "CREATE ROLE chief LOGIN CREATEROLE PASSWORD 'chief'"
# What a platform makes: the administrator may grant it, and is not it.
LOGINS = [
    f"CREATE ROLE {name} LOGIN PASSWORD '{name}'; GRANT {name} TO chief WITH ADMIN TRUE, INHERIT FALSE, SET TRUE"
    for name in ("shop", "shop_2")
]


@pytest.fixture
def chief(database: Database) -> Iterator[Target]:
    """The administrator's way to a database that the role `shop` has a table in."""
    database.run(ADMIN, *LOGINS, "CREATE TABLE sold (id int)", "GRANT INSERT ON sold TO shop")
    database.run(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
    database.run(f"GRANT CONNECT ON DATABASE {database.name} TO shop, chief")
    yield Target(database.parameters("chief", "chief"))
    database.run("DROP OWNED BY shop, shop_2, chief CASCADE", "DROP ROLE shop_2", "DROP ROLE shop", "DROP ROLE chief")


def test_it_is_the_role_and_what_it_makes_is_the_role_s(database: Database, chief: Target) -> None:
    database.run("CREATE SCHEMA shop AUTHORIZATION shop")
    join(chief, "shop", "shop_2")
    join(chief, "shop", "shop_2")
    with database.connect("shop_2", "shop_2") as connection:
        assert connection.execute("SELECT session_user, current_user").fetchone() == ("shop_2", "shop")
        connection.execute("CREATE TABLE shop.cart ()")
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'cart'").fetchone()
        assert owner == ("shop",)
        # What a pool in session mode says between two clients.
        connection.execute("DISCARD ALL")
        connection.execute("INSERT INTO sold VALUES (1)")


def test_it_has_the_role_s_settings_and_loses_those_that_the_role_loses(database: Database, chief: Target) -> None:
    database.run(
        f"ALTER ROLE shop IN DATABASE {database.name} SET default_transaction_read_only = on",
        """ALTER ROLE shop SET search_path = "$user", pg_catalog, "a b" """,
        "ALTER ROLE shop SET statement_timeout = '7s'",
    )
    join(chief, "shop", "shop_2")
    shown = ("search_path", "statement_timeout", "default_transaction_read_only")
    with database.connect("shop_2", "shop_2") as connection:
        found = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in shown]
    assert found == [('"$user", pg_catalog, "a b"',), ("7s",), ("on",)]
    database.run(f"ALTER ROLE shop IN DATABASE {database.name} RESET ALL", "ALTER ROLE shop RESET ALL")
    join(chief, "shop", "shop_2")
    with database.connect("shop_2", "shop_2") as connection:
        found = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in shown]
        assert found == [('"$user", public',), ("0",), ("off",)]
        assert connection.execute("SELECT current_user").fetchone() == ("shop",)


def test_who_may_not_grant_it_is_told_before(database: Database, chief: Target) -> None:
    assert may_join(chief, "shop")
    database.run("REVOKE ADMIN OPTION FOR shop FROM chief")
    assert not may_join(chief, "shop")
    with pytest.raises(MigrationError, match="shop_2 cannot become a login of shop: permission denied"):
        join(chief, "shop", "shop_2")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        database.connect("shop_2", "shop_2")
