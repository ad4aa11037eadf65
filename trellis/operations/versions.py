"""What `trellis --version` says."""

import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("pulumi", "pulumi-digitalocean", "pulumi-cloudflare", "pulumi-random")


def own() -> str:
    """This program's version: of the checkout, else of the installed package; "unknown" in a copy without either."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text())["project"]["version"])
    try:
        return version("trellis")
    except PackageNotFoundError:
        return "unknown"


def describe() -> str:
    """This program's version, the engine's that is on PATH, and those of the packages that it is driven with."""
    lines = [f"trellis {own()}", f"engine {_engine()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} is not installed")
    return "\n".join(lines)


def _engine() -> str:
    try:
        done = subprocess.run(("pulumi", "version"), capture_output=True, text=True, timeout=30, check=True)
    except FileNotFoundError:
        return "is not on PATH"
    except (OSError, subprocess.SubprocessError) as error:
        return f"does not run: {error}"
    return done.stdout.strip().removeprefix("v")
