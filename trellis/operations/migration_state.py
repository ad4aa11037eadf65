"""Where each migration stands, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trellis.migrator import Kind, MigrationInfo, discover
from trellis.operations.terminal import table

_HEAD = ("version", "description", "type", "state", "installed on", "ms", "checksum")
_PENDING = frozenset({"pending", "outdated", "interrupted"})
_COLOURS = {
    "pending": "yellow",
    "outdated": "yellow",
    "interrupted": "yellow",
    "applied": "green",
    "out of order": "green",
    "baseline": "green",
    "failed": "red",
    "missing": "red",
    "future": "red",
    "ignored": "red",
}


@dataclass(frozen=True)
class Standing:
    """One migration. type: versioned, repeatable or baseline. note: how file and recorded checksum differ, if so."""

    info: MigrationInfo
    type: str
    note: str

    @property
    def pending(self) -> bool:
        """Whether the next run applies it."""
        return self.info.state in _PENDING

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return {**self.info.to_dict(), "type": self.type, "checksum_note": self.note or None}


def read(infos: Sequence[MigrationInfo], folder: Path) -> Sequence[Standing]:
    """The migrations with what their files say of type and checksum."""
    # An applied repeatable is recorded with its placeholders replaced; its state tells whether that has changed.
    now = {file.script: file.checksum for file in discover(folder) if file.kind is not Kind.REPEATABLE}
    return [Standing(info, _type(info), _note(info, now.get(info.script))) for info in infos]


def as_table(standings: Sequence[Standing]) -> str:
    """The table that `info` prints, and a line that sums it up."""
    rows = [
        (
            one.info.version or "",
            one.info.description,
            one.type,
            one.info.state,
            "" if one.info.installed_on is None else f"{one.info.installed_on:%Y-%m-%d %H:%M:%S}",
            "" if one.info.milliseconds is None else str(one.info.milliseconds),
            one.note,
        )
        for one in standings
    ]
    pending = sum(one.pending for one in standings)
    listed = table(_HEAD, rows, lambda row: _COLOURS.get(row[3], "dim"), right=5)
    return f"{listed}\n\n{pending} pending."


def _type(info: MigrationInfo) -> str:
    if info.version is None:
        return "repeatable"
    # A row that `baseline` wrote has a text in place of a script.
    return "baseline" if PurePosixPath(info.script).name[:1] in "B<" else "versioned"


def _note(info: MigrationInfo, now: int | None) -> str:
    if info.installed_on is None or info.checksum is None or now is None or now == info.checksum:
        return ""
    return f"was {info.checksum}, file has {now}"
