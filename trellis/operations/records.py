"""What was proven of a stack and when: a line of JSON each, in `.trellis/records/<stack>.jsonl`.

Every line has `kind` (backup, drill), `at` (ISO 8601, UTC), `stack`, `cluster` and `ok`; what else it says belongs to
its kind.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trellis.operations.project import project


def append(stack: str, *, kind: str, cluster: str, ok: bool, **told: Any) -> None:
    """Adds a line, whole or not at all. Raises OperationError outside a project."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"kind": kind, "at": at, "stack": stack, "cluster": cluster, "ok": ok, **told})
    file = _file(stack)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One write of a file that is only added to: two runs' lines do not mix.
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def read(stack: str) -> Sequence[dict[str, Any]]:
    """Every line, the oldest first; one that a full disk cut short is passed over. Raises OperationError as above."""
    file = _file(stack)
    if not file.is_file():
        return []
    found = []
    for line in file.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _file(stack: str) -> Path:
    return project() / ".trellis" / "records" / f"{stack}.jsonl"
