"""Files and history side by side: what is pending, what is wrong, where each migration stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trellis.migrator.errors import MigrationError
from trellis.migrator.options import Options
from trellis.migrator.sql import Kind, MigrationFile, placeholders_for
from trellis.migrator.versions import VersionKey, version_key

from .ledger import Ledger, read_ledger
from .table import HistoryRow

if TYPE_CHECKING:
    from trellis.migrator.sql import Survey


@dataclass(frozen=True, slots=True)
class Pending:
    """A migration that is to run.

    checksum: what the history table will hold. survey: what is known of its statements.
    unfinished: the row of an earlier run that was cut short, to be gone on with.
    """

    file: MigrationFile
    checksum: int | str
    survey: "Survey"
    unfinished: HistoryRow | None = None

    @property
    def transactional(self) -> bool:
        """Whether it runs in one transaction."""
        return self.survey.transactional

    @property
    def version(self) -> str | None:
        """The version; None for a repeatable."""
        return self.file.version

    @property
    def description(self) -> str:
        """The description as the history table will hold it."""
        return self.file.recorded_description

    @property
    def script(self) -> str:
        """The path below the folder."""
        return self.file.script


@dataclass(frozen=True, slots=True)
class FileState:
    """A migration and where it stands: one line of `info`. One of file and row may be None."""

    file: MigrationFile | None
    row: HistoryRow | None
    state: str


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything the files and the history say together, complaints included."""

    states: tuple[FileState, ...]
    pending: tuple[Pending, ...]
    applied: tuple[HistoryRow, ...]
    warnings: tuple[str, ...]
    problems: tuple[MigrationError, ...]
    current_version: str | None


def examine(
    files: Sequence[MigrationFile],
    history: Sequence[HistoryRow],
    placeholders: Mapping[str, str],
    options: Options,
    *,
    conforming: bool = True,
) -> Examination:
    """Compare files and history; complaints are returned, all of them, instead of raised."""
    ledger = read_ledger(history)
    work = _Work(ledger, placeholders, options, conforming)
    versioned = [file for file in files if file.kind is not Kind.REPEATABLE]
    repeatable = [file for file in files if file.kind is Kind.REPEATABLE]
    work.compare_versioned(versioned)
    work.queue_versioned(versioned)
    work.compare_repeatable(repeatable)
    return Examination(
        tuple(work.states),
        tuple(work.pending),
        tuple(entry.row for entry in ledger.entries if entry.in_force),
        tuple(work.warnings),
        (*ledger.problems, *work.problems),
        ledger.current_version,
    )


class _Work:
    """The comparison while it is under way."""

    def __init__(self, ledger: Ledger, placeholders: Mapping[str, str], options: Options, conforming: bool) -> None:
        self._ledger = ledger
        self._placeholders = placeholders
        self._options = options
        self._conforming = conforming
        self._target = None if options.target is None else version_key(options.target)
        self.states: list[FileState] = []
        self.pending: list[Pending] = []
        self.warnings: list[str] = []
        self.problems: list[MigrationError] = []

    def compare_versioned(self, files: Sequence[MigrationFile]) -> None:
        """Every versioned row of the history against the file it came from."""
        by_key = {(file.kind, file.version_key): file for file in files}
        newest = max((file.version_key for file in files), default=())
        newest_baseline = max((file.version_key for file in files if file.kind is Kind.BASELINE), default=())
        for entry in self._ledger.versioned:
            row, key = entry.row, entry.row.version_key
            kind = Kind.BASELINE if row.from_baseline_file else Kind.VERSIONED
            file = by_key.get((kind, key))
            if entry.deleted or row.type == "DELETE":
                self._note(None, row, "deleted" if entry.deleted else "delete mark")
            elif row.type == "BASELINE":
                self._note(None, row, "baseline")
            elif file is None and kind is Kind.VERSIONED and key <= newest_baseline:
                self._note(None, row, "replaced by a baseline migration")
            elif file is None:
                self._note(None, row, "future" if key > newest else "missing")
                self._miss(f"Version {row.version}", row)
            elif row.unfinished:
                self._resume(file, row)
            elif not row.success:
                self._note(file, row, "failed")
                self._fail(file, row)
            else:
                self._note(file, row, "out of order" if entry.out_of_order else "applied")
                if not self._ledger.covers(key):
                    self._compare(file, row)

    def _compare(self, file: MigrationFile, row: HistoryRow) -> None:
        if row.type != "SQL":
            self._complain(file, f"Version {row.version} was applied as {row.type}; it is an SQL file now.")
        elif row.checksum != file.recorded_checksum:
            self._complain(
                file,
                f"The file was changed after it was applied{_when(row)}: its checksum was {row.checksum} then and is"
                f" {file.recorded_checksum} now. Restore it and put the change into a new version; if the change does"
                " nothing (a comment), repair takes the new checksum over.",
            )
        elif row.description != file.recorded_description:
            self._complain(
                file,
                f"The file was renamed after it was applied{_when(row)}: its description was {row.description!r} and is"
                f" {file.recorded_description!r} now. Rename it back, or let repair take the new one over.",
            )

    def queue_versioned(self, files: Sequence[MigrationFile]) -> None:
        """The versions that have no row yet."""
        ledger = self._ledger
        start: VersionKey = ()
        applied = ledger.applied_keys
        # Drizzle takes what lies below its newest row for done; a database may have begun with one row for many files.
        first = min(applied, default=())
        if not applied and not ledger.baseline:
            baselines = [file.version_key for file in files if file.kind is Kind.BASELINE]
            start = max((key for key in baselines if not self._above_target(key)), default=())
        for file in files:
            key = file.version_key
            if file.kind is Kind.BASELINE:
                if key == start:
                    self._queue(file)
                else:
                    self._note(file, None, "not needed")
            elif key in applied:
                continue
            elif ledger.covers(key) or (start and key <= start) or (file.digest and key < first):
                self._note(file, None, "below baseline")
            elif self._above_target(key):
                self._note(file, None, "above target")
            elif key < ledger.current_key and not self._options.out_of_order:
                self._note(file, None, "ignored")
                self._complain(
                    file,
                    f"Version {file.version} is below version {ledger.current_version}, which is already applied. "
                    + (
                        "Give it a higher version, or allow out_of_order."
                        if file.digest is None
                        else "Drizzle would pass it over without a word: give it a higher `when` in the journal, or"
                        " allow out_of_order."
                    ),
                )
            else:
                self._queue(file)

    def compare_repeatable(self, files: Sequence[MigrationFile]) -> None:
        """Repeatables: those without a row or whose text has changed run (again); with `repeat` all do."""
        last = self._ledger.last_repeatables
        known = {file.recorded_description: file for file in files}
        for entry in self._ledger.repeatable:
            row = entry.row
            file = known.get(row.description)
            if entry.deleted or row.type == "DELETE":
                self._note(None, row, "deleted" if entry.deleted else "delete mark")
            elif last.get(row.description) is not entry:
                self._note(file, row, "superseded")
            elif file is None:
                self._note(None, row, "missing")
                self._miss(f"The repeatable migration {row.description!r}", row)
        for description, file in known.items():
            current = last.get(description)
            self._compare_repeatable(file, current.row if current is not None and not current.deleted else None)

    def _compare_repeatable(self, file: MigrationFile, row: HistoryRow | None) -> None:
        if row is None:
            self._queue(file)
        elif row.unfinished:
            self._resume(file, row)
        elif not row.success:
            self._note(file, row, "failed")
            self._fail(file, row)
        else:
            checksum = self._checksum(file)
            if checksum is None:
                return
            if row.checksum in (checksum, file.checksum) and not self._options.repeat:
                self._note(file, row, "applied")
            else:
                self._note(file, row, "outdated")
                self._queue(file)

    def _queue(self, file: MigrationFile, unfinished: HistoryRow | None = None) -> None:
        # Most runs find nothing pending and need no SQL splitter.
        from trellis.migrator.sql import survey

        try:
            found = survey(file, self._placeholders, self._conforming)
        except MigrationError as error:
            self.problems.append(error)
            return
        checksum = self._checksum(file)
        if checksum is None:
            return
        if unfinished is None:
            self._note(file, None, "pending")
        self.pending.append(Pending(file, checksum, found, unfinished))

    def _resume(self, file: MigrationFile, row: HistoryRow) -> None:
        """Go on with a migration outside a transaction that was cut short."""
        self._note(file, row, "interrupted")
        progress = row.unfinished
        checksum = self._checksum(file)
        if checksum is None:
            return
        if progress is not None and progress.done and row.checksum != checksum:
            self._complain(
                file,
                f"The file was changed after {progress.done} of its statements had run{_when(row)}; which of the"
                " statements it has now are done cannot be told. Restore the file and run again, or undo those"
                " statements by hand and let repair forget the row.",
            )
        else:
            self._queue(file, row)

    def _checksum(self, file: MigrationFile) -> int | str | None:
        """What the history is to hold for a file; None, with a complaint, when a placeholder has no value."""
        try:
            return file.checksum_with(placeholders_for(file.script, self._placeholders))
        except MigrationError as error:
            self.problems.append(error)
            return None

    def _above_target(self, key: VersionKey) -> bool:
        return self._target is not None and key > self._target

    def _miss(self, name: str, row: HistoryRow) -> None:
        if self._options.allow_missing:
            self.warnings.append(f"{name} ({row.script}) is applied, and the folder does not have it.")
            return
        self.problems.append(
            MigrationError(
                f"{name} ({row.script}) was applied{_when(row)}, and the folder no longer has it. Put the file back;"
                " if this is an older checkout, use a newer one or allow_missing; if it was removed on purpose, repair"
                " marks it as deleted."
            )
        )

    def _fail(self, file: MigrationFile, row: HistoryRow) -> None:
        self._complain(
            file,
            f"The history says that it failed{_when(row)}, and not how far it came. Undo by hand what it may have"
            " left, let repair remove the row, and run again.",
        )

    def _complain(self, file: MigrationFile, message: str) -> None:
        self.problems.append(MigrationError(message, file=str(file.path)))

    def _note(self, file: MigrationFile | None, row: HistoryRow | None, state: str) -> None:
        self.states.append(FileState(file, row, state))


def _when(row: HistoryRow) -> str:
    return f" on {row.installed_on:%Y-%m-%d %H:%M:%S}" if row.installed_on is not None else ""
