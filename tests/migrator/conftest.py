"""One PostgreSQL for the whole folder, a fresh database for each test."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.migrator.servers import Database, PostgreSQL, server_folder
from trellis.migrator import Options, Report, Target, migrate

_numbers = itertools.count(1)

Write = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    """A running PostgreSQL 17."""
    with server_folder() as folder:
        postgresql = PostgreSQL(folder)
        postgresql.start()
        try:
            yield postgresql
        finally:
            postgresql.stop()


@pytest.fixture
def database(server: PostgreSQL) -> Iterator[Database]:
    """An empty database."""
    name = f"test_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield Database(server, name)
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files into a folder of migrations and gives the folder; called again, it adds to them."""

    def write_files(files: Mapping[str, str | bytes]) -> Path:
        folder = tmp_path / "migrations"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write_files


@pytest.fixture
def run(database: Database) -> Callable[..., Report]:
    """Migrates the test's database."""

    def run_migrate(folder: Path, placeholders: Mapping[str, str] | None = None, **options: object) -> Report:
        return migrate(Target(database.parameters()), folder, placeholders or {}, Options(**options))  # type: ignore[arg-type]

    return run_migrate
