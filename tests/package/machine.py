"""The built wheels, installed into a virtual environment outside the checkout. No network is asked.

What the wheels depend on is this environment's: PYTHONPATH names its packages, and pip finds them installed.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.stacks.harness import Finished
from tools import ROOT
from trellis.development.bring import cache_folder

PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A folder outside the checkout with the wheels in `wheels` and an environment that has them in `environment`."""

    folder: Path

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    @property
    def programs(self) -> Path:
        return self.folder / "environment" / "bin"

    @property
    def variables(self) -> Mapping[str, str]:
        """A login's, and what keeps pip off the network."""
        return {
            "HOME": str(self.folder),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TRELLIS_CACHE": str(cache_folder()),
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }

    def make(self) -> None:
        """Builds the wheels and installs them."""
        for project in (ROOT, ROOT / "localcloud"):
            must(
                (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(self.wheels)), project, os.environ
            )
        must((str(PYTHON), "-m", "venv", str(self.programs.parent)), self.folder, self.variables)
        must((str(self.programs / "pip"), "install", "--quiet", "trellis[localcloud]"), self.folder, self.variables)

    def types(self, *command: str, at: Path | None = None) -> Finished:
        """Runs a command; a failure is a result."""
        done = subprocess.run(
            command, cwd=at or self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    def must(self, *command: str, at: Path | None = None) -> str:
        """Runs a command that must work; returns what it printed."""
        return must(command, at or self.folder, self.variables)


def must(command: tuple[str, ...], at: Path, variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=at, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
