"""A second login of a role is the role, with its settings, for an administrator that is no superuser."""

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.migrator.servers import Database
from tools import ROOT
from trellis.migrator import MigrationError, Target, join, joins_itself, may_join

ADMIN = "CREATE ROLE chief LOGIN CREATEROLE PASSWORD 'chief'"
# What a platform makes: the administrator may grant it, and is not it.
LOGINS = [
    f"CREATE ROLE {name} LOGIN PASSWORD '{name}'; GRANT {name} TO chief WITH ADMIN TRUE, INHERIT FALSE, SET TRUE"
    for name in ("shop", "shop_2")
]
# What a self-hosted server has, whose administrator may make no roles.
OWN = re.findall(
    r"^CREATE OR REPLACE FUNCTION server\.(?:refuse|join)\(.*?^\$function\$;$",
    (ROOT / "components" / "self_hosted" / "files" / "administrator.sql").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(params=["by itself", "by the server"])
def either(request: pytest.FixtureRequest, database: Database, chief: Target) -> Target:
    """The same where it makes logins members itself, and where the server has a function for it."""
    if request.param == "by the server":
        database.run("ALTER ROLE chief NOCREATEROLE", "CREATE SCHEMA server", *OWN)
        database.run("GRANT USAGE ON SCHEMA server TO chief", "GRANT EXECUTE ON FUNCTION server.join TO chief")
    assert joins_itself(chief) is (request.param == "by the server")
    return chief


@pytest.fixture
def chief(database: Database) -> Iterator[Target]:
    """The administrator's way to a database that the role `shop` has a table in."""
    database.run(ADMIN, *LOGINS, "CREATE TABLE sold (id int)", "GRANT INSERT ON sold TO shop")
    database.run(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
    database.run(f"GRANT CONNECT ON DATABASE {database.name} TO shop, chief")
    yield Target(database.parameters("chief", "chief"))
    database.run("DROP OWNED BY shop, shop_2, chief CASCADE", "DROP ROLE shop_2", "DROP ROLE shop", "DROP ROLE chief")


def test_it_is_the_role_and_what_it_makes_is_the_role_s(database: Database, either: Target) -> None:
    database.run("CREATE SCHEMA shop AUTHORIZATION shop")
    join(either, "shop", "shop_2")
    join(either, "shop", "shop_2")
    with database.connect("shop_2", "shop_2") as connection:
        assert connection.execute("SELECT session_user, current_user").fetchone() == ("shop_2", "shop")
        connection.execute("CREATE TABLE shop.cart ()")
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'cart'").fetchone()
        assert owner == ("shop",)
        # What a pool in session mode says between two clients.
        connection.execute("DISCARD ALL")
        connection.execute("INSERT INTO sold VALUES (1)")


def test_it_has_the_role_s_settings_and_loses_those_that_the_role_loses(database: Database, either: Target) -> None:
    database.run(
        f"ALTER ROLE shop IN DATABASE {database.name} SET default_transaction_read_only = on",
        """ALTER ROLE shop SET search_path = "$user", pg_catalog, "a b" """,
        "ALTER ROLE shop SET statement_timeout = '7s'",
    )
    join(either, "shop", "shop_2")
    shown = ("search_path", "statement_timeout", "default_transaction_read_only")
    with database.connect("shop_2", "shop_2") as connection:
        found = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in shown]
    assert found == [('"$user", pg_catalog, "a b"',), ("7s",), ("on",)]
    database.run(f"ALTER ROLE shop IN DATABASE {database.name} RESET ALL", "ALTER ROLE shop RESET ALL")
    join(either, "shop", "shop_2")
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


def test_what_somebody_else_has_called_like_the_server_s_function_is_not_run(database: Database, chief: Target) -> None:
    database.run("CREATE SCHEMA server AUTHORIZATION shop", "GRANT USAGE ON SCHEMA server TO chief")
    with database.connect("shop", "shop") as connection:
        connection.execute(
            "CREATE FUNCTION server.join(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE ''called''; END'"
        )
    assert not joins_itself(chief)
    join(chief, "shop", "shop_2")
