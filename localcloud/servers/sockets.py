"""The private folder of a cluster's UNIX sockets."""

import hashlib
import shutil
import stat
from pathlib import Path

from localcloud.servers.account import Account
from localcloud.servers.errors import FolderUnusable

# A socket's path may hold 107 bytes, less than many a state folder's own path, and TMPDIR may be long or differ from
# one run to the next, which would hide a running server's socket from us.
BASE = Path("/tmp")  # noqa: S108


def socket_folder(folder: Path) -> Path:
    """Where the servers of the cluster in `folder` have their sockets: a short path derived from the folder's."""
    return BASE / f"localcloud-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"


def create(folder: Path, account: Account) -> Path:
    """Make the socket folder, for `account` alone. Raises FolderUnusable when someone else holds its name."""
    sockets = socket_folder(folder)
    try:
        sockets.mkdir(mode=0o700)
        account.own(sockets)
    except FileExistsError:
        status = sockets.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or stat.S_IMODE(status.st_mode) != 0o700:
            raise FolderUnusable(
                f"{sockets} is not a folder of {account.name!r} with mode 0700. The servers of {folder} need it for"
                " their sockets and were not started. Remove it and start again."
            ) from None
    return sockets


def remove(folder: Path) -> None:
    shutil.rmtree(socket_folder(folder), ignore_errors=True)
