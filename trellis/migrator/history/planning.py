"""What a run would do, from the files and the history alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trellis.migrator.options import DEFAULTS, Options
from trellis.migrator.sql import MigrationFile

from .comparison import Pending, examine
from .table import HistoryRow


@dataclass(frozen=True, slots=True)
class Plan:
    """pending: what runs, in order. applied: the history rows in force. warnings: what is odd but no hindrance.

    current_version: newest version applied; None when there is none.
    """

    pending: tuple[Pending, ...]
    applied: tuple[HistoryRow, ...]
    warnings: tuple[str, ...]
    current_version: str | None


def plan(
    files: Sequence[MigrationFile],
    history: Sequence[HistoryRow],
    placeholders: Mapping[str, str],
    options: Options = DEFAULTS,
    *,
    conforming: bool = True,
) -> Plan:
    """What a run would do.

    files: as `discover` returns them. history: all rows of the table. placeholders: for `${name}`.
    conforming: the server's standard_conforming_strings, on unless somebody switched it off.
    Raises MigrationError for what stands in the way: a file changed after it was applied, an applied migration that
    the folder no longer has, a version below the current one, a failed row, and SQL that cannot be run.
    """
    found = examine(files, history, placeholders, options, conforming=conforming)
    if found.problems:
        first = found.problems[0]
        current = f"version {found.current_version} is current" if found.current_version else "no version is applied"
        first.state = f"Nothing was changed; {current}."
        others = len(found.problems) - 1
        if others:
            first.state += f" {others} more problem{'s' if others > 1 else ''} stood in the way; validate lists all."
        raise first
    return Plan(found.pending, found.applied, found.warnings, found.current_version)
