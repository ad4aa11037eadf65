"""A last dump of a database whose cluster goes."""

import os
from pathlib import Path

from trellis.operations.check.shadow.entries import DumpError, run_dump
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import Side


def keep(side: Side, folder: Path) -> Path:
    """Dumps a database into a file of this folder, for pg_restore, and gives the file.

    Nobody else may read it, and it has its name only when it is whole. Raises OperationError where it cannot be made.
    """
    file = folder / f"{side.cluster}.{side.database}.dump"
    part = file.with_suffix(".part")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # pg_dump would make it for everybody.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with side.connect() as connection:
            run_dump(connection, "--format=custom", f"--file={part}")
        part.replace(file)
    except (DumpError, OSError) as error:
        raise OperationError(f"{side.name} was not dumped, and nothing was deleted: {error}") from None
    return file
