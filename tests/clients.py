"""Packages of Node that tests run, fetched by npm once."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

PG = "8.23.1"
DRIZZLE = "0.45.3"


def node_modules(kept: Callable[[str], Path], *packages: str) -> Path:
    """The folder that has these packages, each given as name@version. kept: a folder of that name that stays."""
    folder = kept(re.sub(r"[@/]+", "-", "+".join(packages)).strip("-"))
    ready = folder / "installed"
    if not ready.exists():
        command = ("npm", "install", "--no-save", "--no-package-lock", "--no-audit", *packages)
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        ready.touch()
    return folder / "node_modules"
