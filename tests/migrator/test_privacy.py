"""No password and no connection string in what a person gets to see."""

import traceback
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from tests.migrator.servers import ADMIN, Database
from tests.ports import free_port
from trellis.migrator import MigrationError, Target, migrate

SECRET = "s3cr3t-and-long"


def everything(error: BaseException) -> str:
    """All that a log could hold of an error, causes included."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


def test_a_target_shows_no_password() -> None:
    for conninfo in (f"postgresql://app:{SECRET}@db.example:25060/villa", {"user": "app", "password": SECRET}):
        assert SECRET not in repr(Target(conninfo))
    assert repr(Target(f"postgresql://app:{SECRET}@db.example:25060/villa")) == (
        "Target('app@db.example:25060/villa', schema='public')"
    )


@pytest.mark.parametrize(
    "conninfo", [f"postgres//app:{SECRET}@host/db", f"host=x pasword={SECRET}", f"password='{SECRET}"]
)
def test_a_connection_string_that_cannot_be_read(conninfo: str) -> None:
    with pytest.raises(MigrationError) as raised:
        Target(conninfo)
    assert "cannot be read" in str(raised.value)
    assert SECRET not in everything(raised.value)


def test_a_wrong_password_and_no_server(database: Database, write: Write) -> None:
    folder = write({"V1__x.sql": "SELECT 1;"})
    port = free_port()
    for parameters in (database.parameters(ADMIN, SECRET), database.parameters(ADMIN, SECRET) | {"port": port}):
        with pytest.raises(MigrationError) as raised:
            migrate(Target(parameters), folder, {})
        assert f"No connection to {ADMIN}@127.0.0.1:{parameters['port']}/{database.name}" in str(raised.value)
        assert SECRET not in everything(raised.value)


def test_a_secret_placeholder_in_an_error(database: Database, write: Write) -> None:
    folder = write(
        {
            "V1__x.sql": (
                "DO $do$ BEGIN\n  EXECUTE $e$ ALTER ROLE nobody_there PASSWORD '${app_password}' $e$;\nEND $do$;\n"
            )
        }
    )
    with pytest.raises(MigrationError) as raised:
        migrate(Target(database.parameters()), folder, {"app_password": SECRET})
    text = str(raised.value)
    assert 'role "nobody_there" does not exist' in text
    assert "PASSWORD '${app_password}'" in text, "the statement is shown as it stands in the file"
    assert "SQL statement" in text, "the server's context, which repeats the statement, is shown"
    assert SECRET not in everything(raised.value)


def test_a_folder_that_is_not_there_needs_no_server(tmp_path: Path) -> None:
    target = Target({"host": "127.0.0.1", "port": free_port(), "password": SECRET})
    with pytest.raises(MigrationError, match="does not exist"):
        migrate(target, tmp_path / "nowhere", {})
