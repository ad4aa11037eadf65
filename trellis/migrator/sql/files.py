"""Reading a folder of migrations."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from trellis.migrator.errors import MigrationError
from trellis.migrator.versions import VersionKey, is_version, version_key, version_text

from .placeholders import render_pieces
from .scriptconf import DEFAULT_CONFIG, ScriptConfig, read_config
from .text import Checksum, pieces, scan

_FORM = "V1.0.0__Description.sql, R__Description.sql or B1__Description.sql"
_LONGEST_VERSION = 50
_LONGEST_DESCRIPTION = 200
_LONGEST_SCRIPT = 1000


class Kind(StrEnum):
    """What a migration file is; the value is the letter its name begins with."""

    VERSIONED = "V"
    REPEATABLE = "R"
    BASELINE = "B"


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
    """

    kind: Kind
    version: str | None
    description: str
    path: Path
    script: str
    checksum: int
    config: ScriptConfig = DEFAULT_CONFIG

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
    def recorded_description(self) -> str:
        """The description as the history table holds it: at most 200 characters."""
        if len(self.description) <= _LONGEST_DESCRIPTION:
            return self.description
        return self.description[: _LONGEST_DESCRIPTION - 3] + "..."

    def checksum_with(self, placeholders: Mapping[str, str]) -> int:
        """The checksum the history table holds: a repeatable's is that of its text with placeholders replaced.

        Raises MigrationError for a placeholder without a value.
        """
        if self.kind is not Kind.REPEATABLE or not self.config.placeholder_replacement:
            return self.checksum
        found = Checksum()
        for text in render_pieces(self.pieces(), placeholders, str(self.path)):
            found.update(text.encode())
        return found.value


def discover(folder: Path) -> tuple[MigrationFile, ...]:
    """The migrations below a folder: baselines and versioned ones by version, then repeatables by description.

    Files that do not end in .sql are left alone. Raises MigrationError for a folder that is missing, unreadable or
    without a migration, a link that leads back into its own folder, a name that is none of the three forms, a version
    or a repeatable there twice, and a file that is not UTF-8 text.
    """
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        raise MigrationError(f"The migration folder {folder} {found}.")
    found_files = [_read(folder, path) for path in sorted(_sql_files(folder))]
    if not found_files:
        raise MigrationError(f"The migration folder {folder} holds no migration. Names are {_FORM}.")
    _refuse_duplicates(found_files)
    # Java compares strings by UTF-16 units, and so does the order in which Flyway runs repeatables.
    return tuple(
        sorted(
            found_files,
            key=lambda file: (
                file.kind is Kind.REPEATABLE,
                file.version_key,
                file.kind is Kind.VERSIONED,
                file.description.encode("utf-16-be") if file.kind is Kind.REPEATABLE else b"",
            ),
        )
    )


def _sql_files(folder: Path) -> Iterator[Path]:
    seen = {folder.resolve()}

    def fail(error: OSError) -> None:
        raise MigrationError(f"The folder {error.filename} cannot be read: {error.strerror}.")

    for root, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        for name in folders:
            path = Path(root, name)
            if path.is_symlink() and path.resolve() in seen:
                raise MigrationError(f"The link {path} leads back to {path.resolve()}: its files would be read twice.")
            seen.add(path.resolve())
        for name in names:
            if name.lower().endswith(".sql"):
                yield Path(root, name)


def _read(folder: Path, path: Path) -> MigrationFile:
    kind, version, description = _parse_name(path)
    script = path.relative_to(folder).as_posix()
    if len(script) > _LONGEST_SCRIPT:
        raise MigrationError(f"the path is longer than {_LONGEST_SCRIPT} characters", file=str(path))
    try:
        checksum = scan(path)
        config = read_config(path.with_name(path.name + ".conf"))
    except OSError as error:
        raise MigrationError(f"The file cannot be read: {error.strerror}.", file=str(path)) from None
    return MigrationFile(kind, version, description, path, script, checksum, config)


def _parse_name(path: Path) -> tuple[Kind, str | None, str]:
    stem = path.name[: -len(".sql")]
    prefix, rest = stem[:1], stem[1:]
    version, _, description = rest.partition("__")
    if prefix == "U" and is_version(version):
        raise MigrationError(
            "Undo migrations are not offered: a later version that puts things right, or a restore, takes their place."
            " Move the file out of the folder.",
            file=str(path),
        )
    if prefix not in [kind.value for kind in Kind]:
        raise MigrationError(f"The name is not that of a migration: {_FORM}.", file=str(path))
    kind = Kind(prefix)
    if kind is Kind.REPEATABLE:
        if version or (rest and not rest.startswith("__")):
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
