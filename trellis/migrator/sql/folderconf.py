"""Settings of a folder of migrations, `migrations.conf` in it: for folders that another tool has used before."""

import re
from dataclasses import dataclass
from pathlib import Path

from trellis.migrator.errors import MigrationError

from .scriptconf import settings

NAME = "migrations.conf"

_PREFIX = re.compile(r"[A-Za-z_]*")


@dataclass(frozen=True, slots=True)
class FolderConfig:
    """What is different in one folder.

    prefix: what the names of versioned migrations begin with, Flyway's sqlMigrationPrefix; it may be empty.
    ignored: patterns of .sql files that are no migrations by their names and are passed over.
    legacy: scripts that other tools have run before, which may hold transactions of their own and the rows of a COPY.
    """

    prefix: str = "V"
    ignored: tuple[str, ...] = ()
    legacy: frozenset[str] = frozenset()


def read_folder_config(folder: Path) -> FolderConfig:
    """Read the settings; all at their defaults when the file is not there.

    Raises MigrationError for a line that is no setting and a setting that is not known or cannot be.
    """
    path = folder / NAME
    given: dict[str, list[str]] = {"prefix": [], "ignore": [], "legacy": []}
    try:
        for number, name, value in settings(path):
            if value is None or name not in given:
                raise MigrationError(
                    f"{name!r} is not a setting of a folder: prefix, ignore and legacy are, as name=value.",
                    file=str(path),
                    line=number,
                )
            if name == "prefix" and (given[name] or not _PREFIX.fullmatch(value) or value in ("R", "B", "U")):
                raise MigrationError(
                    f"prefix={value} cannot be: it stands once, is made of letters or empty, and R, B and U are taken.",
                    file=str(path),
                    line=number,
                )
            given[name].append(value)
    except OSError as error:
        raise MigrationError(f"The file cannot be read: {error.strerror}.", file=str(path)) from None
    (prefix,) = given["prefix"] or ["V"]
    return FolderConfig(prefix, tuple(given["ignore"]), frozenset(given["legacy"]))
