"""`make up` on a warm machine against the bare sum of what must happen: initdb and two server starts."""

import grp
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from bench.timing import compare
from tests.stacks.harness import local_stack, open_folder
from trellis.development.bring import Parts


def run(parts: Parts) -> None:
    """Times a deployment from nothing, each in a workspace of its own, against the bare servers."""

    def ours() -> None:
        with local_stack(parts) as stack:
            stack.up()

    def bare() -> None:
        with open_folder() as folder:
            _bare_servers(parts, folder)

    compare(
        "make up, warm, and the stop after it", ours, bare, against="bare initdb and server starts and stops", runs=3
    )


def _bare_servers(parts: Parts, folder: Path) -> None:
    account = _server_account()
    programs = parts.postgresql / "17" / "bin"
    data, log, pool = folder / "data", folder / "log", folder / "pool"
    for made in (data, pool):
        made.mkdir()
        if account:
            shutil.chown(made, *account)
    log.touch()
    log.chmod(0o666)
    identity = dict(zip(("user", "group"), account, strict=False), extra_groups=[]) if account else {}
    options = f"-c listen_addresses= -c unix_socket_directories={pool}"

    def call(*command: str | Path) -> None:
        subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd="/", **identity)  # type: ignore[call-overload]

    call(programs / "initdb", "-D", data, "-U", "postgres", "--data-checksums")
    call(programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
    settings = pool / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\nvilla = host={pool}\n[pgbouncer]\nlisten_addr=\nunix_socket_dir={pool}\nauth_type=any\n"
        f"logfile={pool}/log\n"
    )
    settings.chmod(0o644)
    pooler = subprocess.Popen([str(parts.pgbouncer), "-q", str(settings)], cwd="/", **identity)  # type: ignore[call-overload]
    while not (pool / ".s.PGSQL.6432").exists():
        time.sleep(0.005)
    pooler.terminate()
    pooler.wait()
    call(programs / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop")


def _server_account() -> tuple[str, str] | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    return user, grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
