"""`make up` against the bare sum of what must happen: two server starts the first time, then the engine's run."""

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.timing import compare
from tests.ports import free_port
from tests.stacks.harness import local_stack, open_folder, program_copy
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.dev import Stack
from trellis.development.progress import Failure, step
from trellis.development.workspace import Workspace
from trellis.operations.preview_report import judge

_CONFIG = "Pulumi.dev.yaml"


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
    with _deployed(parts) as stack:
        options = ("--policy-pack", str(judge.pack(None)), "--stack", stack.name, "--non-interactive")
        compare(
            "make up of what is unchanged",
            lambda: _dev("up", stack.root),
            lambda: stack.run("pulumi", "up", "--yes", "--skip-preview", *options),
            against="bare pulumi up with the policy pack",
        )


@contextmanager
def _deployed(parts: Parts) -> Iterator[Stack]:
    """The stack of a checkout of its own, as `make up` makes it; destroyed in the end."""
    with program_copy() as program:
        # Its DNS names are half of what the engine's run takes.
        shutil.copy(ROOT / "systems" / "villa.yaml", program / "systems")
        port = free_port()
        config = program / _CONFIG
        config.write_text(re.sub(r"(http://127\.0\.0\.1):\d+", rf"\1:{port}", config.read_text()))
        with step("The stack dev, deployed to be deployed again"):
            _dev("up", program)
        workspace = Workspace(folder=program / ".trellis", port=port, parts=parts, python=Path(sys.executable))
        try:
            yield Stack(workspace, "dev", None, program)
        finally:
            _dev("down", program)


def _dev(action: str, program: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "trellis", "dev", action), cwd=program, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failure(f"`trellis dev {action}` failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")


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
