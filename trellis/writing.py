"""Files that somebody reads while they are written."""

import os
from pathlib import Path

# Nobody else's to read.
PRIVATE = 0o600


def replace(file: Path, text: str, mode: int | None = None) -> None:
    """Puts a file there in one move: whoever reads it meanwhile reads all of the old one or all of the new one.

    mode: from before its first byte on; the umask's without. Raises OSError; the old one is there then.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666 if mode is None else mode)
    try:
        with os.fdopen(handle, "w") as out:
            if mode is not None:
                os.fchmod(handle, mode)
            out.write(text)
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
