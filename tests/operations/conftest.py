"""One PostgreSQL for the whole folder, and the command as a person runs it."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.migrator.conftest import database, server, write
from tests.migrator.servers import PASSWORD, Database

__all__ = ["database", "server", "write"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """What a command ended with."""

    code: int
    out: str
    err: str


Trellis = Callable[..., Finished]


@pytest.fixture
def trellis(tmp_path: Path) -> Trellis:
    """Runs the command in a process of its own, outside any checkout; keywords are environment variables."""

    def run(*arguments: str | Path, **environment: str) -> Finished:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PULUMI", "TRELLIS"))}
        done = subprocess.run(
            [sys.executable, "-m", "trellis", *map(str, arguments)],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), "PGPASSWORD": PASSWORD, "COLUMNS": "120", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


def url(database: Database, **query: Any) -> str:
    """A URL without a password."""
    parameters: Mapping[str, Any] = database.parameters()
    options = "&".join(f"{name}={value}" for name, value in query.items())
    return f"postgresql://{parameters['user']}@127.0.0.1:{parameters['port']}/{database.name}?{options}"
