"""Bringing a cluster's data to a newer major version of PostgreSQL."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from localcloud.servers import initdb, sockets
from localcloud.servers.access import SUPERUSER
from localcloud.servers.account import Account
from localcloud.servers.errors import UpgradeFailed
from localcloud.servers.postgresql import NodeSettings, PostgresServer
from localcloud.servers.processes import run
from localcloud.servers.tools import Tools

_log = logging.getLogger("localcloud.servers")

_NEEDED = ("pg_controldata", "pg_ctl", "pg_resetwal")
"""What pg_upgrade wants of the older version; some installations are servers only."""

_EXPECTED = (
    f'role "{SUPERUSER}" already exists',
    # A dump that was written by the client of a later version than the new server's.
    'unrecognized configuration parameter "transaction_timeout"',
)


def fill(new: PostgresServer, old: PostgresServer, settings: NodeSettings, tools: Tools) -> None:
    """Make the data directory of `new`, with everything that is in that of `old`, which is stopped and stays as it is.

    By pg_upgrade, or by a dump where it cannot: some installations are servers only, and Debian's newest major version
    is at times behind the security updates of the others. Both are stopped afterwards. Raises UpgradeFailed.
    """
    # Nothing of this is for clients or for the archive.
    new, old = replace(new, hosts=()), replace(old, hosts=())
    settings = replace(settings, archive_command="")
    passfile = new.folder / "superuser.pgpass"
    new.account.write(passfile, f"*:*:*:{SUPERUSER}:{new.superuser_password}\n")
    sockets.create(new.folder, new.account)
    initdb.initialise(new)
    try:
        _carry_over(new, old, settings, passfile)
    except UpgradeFailed as problem:
        _log.warning("%s The data is copied by a dump instead.", problem)
        shutil.rmtree(new.data)
        initdb.initialise(new)
        _copy(new, old, settings, tools, passfile)
    finally:
        sockets.remove(new.folder)


def _carry_over(new: PostgresServer, old: PostgresServer, settings: NodeSettings, passfile: Path) -> None:
    programs = [*map(old.installation.program, _NEEDED), new.installation.program("pg_upgrade")]
    if missing := [str(program) for program in programs if not program.exists()]:
        raise UpgradeFailed(f"{old.label} cannot be upgraded without {', '.join(missing)}.")
    new.configure(settings)
    _run(
        new,
        new.account,
        passfile,
        str(programs[-1]),
        f"--old-bindir={programs[0].parent}",
        f"--new-bindir={programs[-1].parent}",
        f"--old-datadir={old.data}",
        f"--new-datadir={new.data}",
        f"--socketdir={new.sockets}",
        f"--username={SUPERUSER}",
    )


def _copy(new: PostgresServer, old: PostgresServer, settings: NodeSettings, tools: Tools, passfile: Path) -> None:
    dump = new.folder / "dump.sql"
    ways = [[f"--host={item.sockets}", f"--port={item.port}", f"--username={SUPERUSER}"] for item in (old, new)]
    # The programs may lie where the servers' account cannot go.
    own = Account.resolve(None)
    dumpall = tools.client("pg_dumpall", old.installation.major)
    psql = tools.client("psql", new.installation.major)
    try:
        for server in (old, new):
            server.start(settings)
        _run(new, own, passfile, str(dumpall), *ways[0], f"--file={dump}")
        said = _run(new, own, passfile, str(psql), *ways[1], "--no-psqlrc", "--quiet", f"--file={dump}", "postgres")
        wrong = [line for line in said.splitlines() if "ERROR:" in line and not line.endswith(_EXPECTED)]
        if wrong:
            said = "; ".join(wrong[:5])
            raise UpgradeFailed(f"{old.label} stays what it was: PostgreSQL {new.installation.major} says {said}.")
    finally:
        for server in (old, new):
            server.stop()
        sockets.remove(old.folder)


def _run(new: PostgresServer, account: Account, passfile: Path, *command: str) -> str:
    """What the tool writes to its standard error."""
    done = run(command, new.folder, account, {"PGPASSFILE": str(passfile)})
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise UpgradeFailed(f"{new.label} stays what it was: the upgrade to {new.installation.major} failed.\n{said}")
    return done.stderr
