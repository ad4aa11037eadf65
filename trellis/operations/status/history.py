"""What was written down of a cluster: backups, drills and earlier looks."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trellis.operations import records

Past = Sequence[Mapping[str, Any]]


def of(stack: str, cluster: str) -> Past:
    """The records of a cluster, the oldest first, with `at` as a time. Lines that are none are passed over."""
    found = []
    for entry in records.read(stack):
        try:
            at = datetime.fromisoformat(str(entry["at"]))
        except (KeyError, ValueError):
            continue
        if entry.get("cluster") == cluster:
            found.append({**entry, "at": at if at.tzinfo else at.replace(tzinfo=UTC)})
    return sorted(found, key=lambda entry: entry["at"])


def last(past: Past, kind: str, *, good: bool = False) -> Mapping[str, Any] | None:
    """The newest of a kind; with `good` the newest that went well."""
    return next((one for one in reversed(past) if one.get("kind") == kind and (one.get("ok") or not good)), None)
