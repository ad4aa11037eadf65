"""Reading a folder of migrations."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from trellis.migrator.errors import MigrationError
from trellis.migrator.versions import VersionKey, is_version, version_key, version_text

from .folderconf import NAME, FolderConfig, read_folder_config
from .journal import Entry, is_drizzle, read_journal
from .placeholders import render_pieces
from .scriptconf import DEFAULT_CONFIG, ScriptConfig, read_config
from .text import Checksum, pieces, scan

_FORM = "{}1.0.0__Description.sql, R__Description.sql or B1__Description.sql"
_VERSIONED = re.compile(r"[VBU][0-9]")
_CALLBACK = re.compile(r"(?:before|after|create)[A-Z]")
_LISTED = 10
_LONGEST_VERSION = 50
_LONGEST_DESCRIPTION = 200
_LONGEST_SCRIPT = 1000


class Kind(StrEnum):
    """What a migration file is; the value is the letter its name begins with, where its folder says nothing else."""

    VERSIONED = "V"
    REPEATABLE = "R"
    BASELINE = "B"


# Drizzle has no placeholders, and a template in its SQL is none.
_DRIZZLE_CONFIG = ScriptConfig(placeholder_replacement=False)

# Kind, version and description.
_Name = tuple[Kind, str | None, str]


@dataclass(frozen=True)
class MigrationFile:
    """One migration. Its text stays on the disk until it is needed, so that many files take little memory.

    kind: versioned, repeatable or baseline.
    version: as the history table holds it, dots for underscores; None for a repeatable.
    description: from the name, underscores as spaces.
    path: where it is.
    script: its path below the folder with forward slashes, as the history table holds it.
    checksum: Flyway's, of the file as it was when it was found.
    config: what the file beside it, `<name>.sql.conf`, says.
    legacy: whether its folder says that other tools have run it before.
    digest: SHA-256 of one of Drizzle's, whose version is the `when` of its journal; None for all others.
    """

    kind: Kind
    version: str | None
    description: str
    path: Path
    script: str
    checksum: int
    config: ScriptConfig = DEFAULT_CONFIG
    legacy: bool = False
    digest: str | None = None

    def pieces(self) -> Iterator[str]:
        """The SQL, about a mebibyte at a time, without a byte order mark, placeholders not yet replaced.

        Raises MigrationError when the file is no longer what it was.
        """
        return pieces(self.path, self.checksum)

    @cached_property
    def version_key(self) -> VersionKey:
        """What versions sort and compare by; empty for a repeatable."""
        return () if self.version is None else version_key(self.version)

    @property
    def recorded_checksum(self) -> int | str:
        """The checksum as the history holds it, placeholders not yet replaced: Drizzle's is the SHA-256."""
        return self.checksum if self.digest is None else self.digest

    @property
    def recorded_description(self) -> str:
        """The description as the history table holds it: at most 200 characters."""
        if len(self.description) <= _LONGEST_DESCRIPTION:
            return self.description
        return self.description[: _LONGEST_DESCRIPTION - 3] + "..."

    def checksum_with(self, placeholders: Mapping[str, str]) -> int | str:
        """The checksum the history table holds: a repeatable's is that of its text with placeholders replaced.

        Raises MigrationError for a placeholder without a value.
        """
        if self.kind is not Kind.REPEATABLE or not self.config.placeholder_replacement:
            return self.recorded_checksum
        found = Checksum()
        for text in render_pieces(self.pieces(), placeholders, str(self.path)):
            found.update(text.encode())
        return found.value


def discover(folder: Path) -> tuple[MigrationFile, ...]:
    """The migrations below a folder: baselines and versioned ones by version, then repeatables by description.

    Of a folder of Drizzle's: those of its journal in the order there, then the repeatables beside them; what the
    journal does not name is passed over, as Drizzle does.
    Files that do not end in .sql are left alone, and so are those that the folder's `migrations.conf` passes over.
    Raises MigrationError for a folder that is missing, unreadable or without a migration, a link that leads back into
    its own folder, names that are none of the three forms, a version or a repeatable there twice, a file that is not
    UTF-8 text, and a `migrations.conf` or a journal that cannot be.
    """
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        raise MigrationError(f"The migration folder {folder} {found}.")
    config = read_folder_config(folder)
    journal = {entry.script: entry for entry in read_journal(folder)} if is_drizzle(folder) else None
    found_files = [_read(found, config, journal) for found in _migrations(folder, config, journal)]
    missing = sorted((journal or {}).keys() - {file.script for file in found_files})
    if missing:
        raise MigrationError("The journal names this file, and it is not there.", file=str(folder / missing[0]))
    if not found_files:
        form = _FORM.format(config.prefix)
        raise MigrationError(f"The migration folder {folder} holds no migration. Names are {form}.")
    _refuse_duplicates(found_files)
    order = {script: number for number, script in enumerate(journal or {})}
    unknown = sorted(config.legacy - {file.script for file in found_files})
    if unknown:
        raise MigrationError(f"legacy={unknown[0]}: there is no such migration.", file=str(folder / NAME))
    # Java compares strings by UTF-16 units, and so does the order in which Flyway runs repeatables.
    return tuple(
        sorted(
            found_files,
            key=lambda file: (
                file.kind is Kind.REPEATABLE,
                order.get(file.script, 0),
                file.version_key,
                file.kind is Kind.VERSIONED,
                file.description.encode("utf-16-be") if file.kind is Kind.REPEATABLE else b"",
            ),
        )
    )


def _sql_files(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Every file that ends in .sql, and whether there is one with its settings beside it."""
    seen = {folder.resolve()}

    def fail(error: OSError) -> None:
        raise MigrationError(f"The folder {error.filename} cannot be read: {error.strerror}.")

    for root, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        for name in folders:
            path = Path(root, name)
            if path.is_symlink() and path.resolve() in seen:
                raise MigrationError(f"The link {path} leads back to {path.resolve()}: its files would be read twice.")
            seen.add(path.resolve())
        there = {*names, *folders}
        for name in names:
            if name.lower().endswith(".sql"):
                yield Path(root, name), f"{name}.conf" in there


class _Found(NamedTuple):
    """A file whose name is that of a migration. configured: whether a file with its settings is beside it."""

    path: Path
    script: str
    configured: bool
    name: _Name


_Journal = Mapping[str, Entry]


def _migrations(folder: Path, config: FolderConfig, journal: _Journal | None) -> list[_Found]:
    """The files that are migrations by their names. Raises MigrationError that lists those that are not."""
    found: list[_Found] = []
    foreign: list[tuple[str, MigrationError]] = []
    for path, configured in sorted(_sql_files(folder)):
        script = path.relative_to(folder).as_posix()
        try:
            name = _parse_name(path, config.prefix) if journal is None else _drizzle_name(path, journal.get(script))
            if name is not None:
                found.append(_Found(path, script, configured, name))
        except MigrationError as error:
            if not any(fnmatchcase(script, pattern) for pattern in config.ignored):
                foreign.append((script, error))
    if foreign:
        (script, first), *others = foreign
        also = f" So it is with {_listed([name for name, _ in others])}." if others else ""
        raise MigrationError(
            f"{first.message}{also} A file that is no migration is passed over where {NAME} in the folder says"
            f" ignore={script}",
            file=first.file,
        )
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _read(found: _Found, folder: FolderConfig, journal: _Journal | None) -> MigrationFile:
    path, script = found.path, found.script
    if len(script) > _LONGEST_SCRIPT:
        raise MigrationError(f"the path is longer than {_LONGEST_SCRIPT} characters", file=str(path))
    digest = None
    try:
        checksum = scan(path)
        if journal is not None and script in journal:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        config = read_config(path.with_name(path.name + ".conf")) if found.configured else DEFAULT_CONFIG
    except OSError as error:
        raise MigrationError(f"The file cannot be read: {error.strerror}.", file=str(path)) from None
    if digest is not None:
        config = _DRIZZLE_CONFIG
    return MigrationFile(*found.name, path, script, checksum, config, script in folder.legacy, digest)


def _drizzle_name(path: Path, entry: Entry | None) -> _Name | None:
    """entry: what the journal says of the file. None for one that Drizzle passes over, too.

    Raises MigrationError for one of Flyway's that is not repeatable.
    """
    if entry is not None:
        return Kind.VERSIONED, str(entry.when), entry.tag
    if _VERSIONED.match(path.name):
        raise MigrationError(
            "The journal of this Drizzle folder does not name this file: `drizzle-kit generate --custom` makes one that"
            " it names, and R__Description.sql is repeatable.",
            file=str(path),
        )
    return _parse_name(path, "V") if path.name.startswith("R__") else None


def _parse_name(path: Path, versioned: str) -> _Name:
    """versioned: what the name of a versioned migration begins with. Raises MigrationError for a name of no form."""
    stem = path.name[: -len(".sql")]
    prefixes = {"U": None, "R": Kind.REPEATABLE, "B": Kind.BASELINE, versioned: Kind.VERSIONED}
    # As in Flyway the longest that fits counts.
    prefix = max((one for one in prefixes if stem.startswith(one)), key=len, default="")
    kind = prefixes.get(prefix)
    version, _, description = stem[len(prefix) :].partition("__")
    if prefix == "U" and is_version(version):
        raise MigrationError(
            "Undo migrations are not offered: a later version that puts things right, or a restore, takes their place.",
            file=str(path),
        )
    if kind is None:
        callback = " Flyway's callbacks are not run here." if _CALLBACK.match(stem) else ""
        raise MigrationError(
            f"The name is not that of a migration: {_FORM.format(versioned)}.{callback}", file=str(path)
        )
    if kind is Kind.REPEATABLE:
        if version:
            raise MigrationError("A repeatable migration has no version: R__Description.sql.", file=str(path))
        return kind, None, description.replace("_", " ")
    if not is_version(version):
        raise MigrationError(
            f"{version!r} is not a version: whole numbers joined by dots or underscores, then two underscores and the"
            f" description, as in {prefix}1.0.0__Description.sql.",
            file=str(path),
        )
    if len(version) > _LONGEST_VERSION:
        raise MigrationError(f"The version is longer than {_LONGEST_VERSION} characters.", file=str(path))
    return kind, version_text(version), description.replace("_", " ")


def _refuse_duplicates(files: list[MigrationFile]) -> None:
    seen: dict[tuple[Kind, VersionKey | str], MigrationFile] = {}
    for file in files:
        key = (file.kind, file.description if file.version is None else file.version_key)
        other = seen.setdefault(key, file)
        if other is not file:
            what = f"version {file.version}" if file.version is not None else f"the description {file.description!r}"
            raise MigrationError(
                f"{what} is already that of {other.path}. Each may be there once.", file=str(file.path)
            )
