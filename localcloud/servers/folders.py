"""Removing a node's folder together with what runs in it."""

import shutil
from pathlib import Path

from localcloud.servers import processes, sockets


def remove(folder: Path) -> None:
    """End what still runs in a node's folder, remove the folder and its sockets. Idempotent."""
    if folder.exists():
        processes.stop_within(folder)
        shutil.rmtree(folder)
    sockets.remove(folder)
