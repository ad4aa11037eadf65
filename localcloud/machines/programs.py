"""Running the system's own small programs."""

import os
import subprocess

from localcloud.machines.errors import MachineError

_SEARCH_PATH = os.pathsep.join(["/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def run(*command: str, stdin: str = "", patience: float = 120.0) -> str:
    """What the program prints, without the last line end. Raises MachineError with its complaint when it fails."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            env={"PATH": _SEARCH_PATH, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
    except FileNotFoundError:
        raise MachineError(f"The program {command[0]} is not installed on this computer.") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"`{' '.join(command)}` did not end within {patience:.0f} seconds.") from None
    if done.returncode:
        raise MachineError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout.strip()
