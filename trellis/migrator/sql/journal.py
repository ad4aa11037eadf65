"""A folder that `drizzle-kit generate` has written: `meta/_journal.json` names its files and their order."""

import json
from pathlib import Path
from typing import NamedTuple

from trellis.migrator.errors import MigrationError

_JOURNAL = Path("meta", "_journal.json")
_DIALECTS = ("postgresql", "pg")

# Drizzle sends what stands between two of these by itself, with a semicolon at its end or without.
BREAKPOINT = "--> statement-breakpoint"
# As long as that, so that every place in the text stays where it is.
SEPARATOR = ";".ljust(len(BREAKPOINT))


class Entry(NamedTuple):
    """One migration of a journal. when: milliseconds since 1970, by which Drizzle knows it again."""

    tag: str
    when: int

    @property
    def script(self) -> str:
        """Its path below the folder."""
        return f"{self.tag}.sql"


def is_drizzle(folder: Path) -> bool:
    """Whether the migrations of a folder are Drizzle's."""
    return (folder / _JOURNAL).is_file()


def read_journal(folder: Path) -> tuple[Entry, ...]:
    """The migrations in the order in which Drizzle runs them.

    Raises MigrationError for a journal that cannot be read, is of another database, or names a migration or a `when`
    twice.
    """
    path = folder / _JOURNAL

    def refuse(message: str, line: int | None = None) -> MigrationError:
        return MigrationError(message, file=str(path), line=line)

    try:
        journal = json.loads(path.read_bytes())
        dialect, entries = journal["dialect"], [Entry(one["tag"], one["when"]) for one in journal["entries"]]
    except OSError as error:
        raise refuse(f"The file cannot be read: {error.strerror}.") from None
    except json.JSONDecodeError as error:
        raise refuse(f"The journal is no JSON: {error.msg}.", error.lineno) from None
    except (UnicodeDecodeError, TypeError, KeyError):
        raise refuse("This is no journal of drizzle-kit: that has a dialect, and entries with tag and when.") from None
    if dialect not in _DIALECTS:
        raise refuse(f"The journal is for {dialect}; {' or '.join(_DIALECTS)} is needed.")
    for one in entries:
        if not isinstance(one.tag, str) or type(one.when) is not int or one.when < 0:
            raise refuse(f"The entry {one.tag!r} has to have a text as tag and a whole number as when.")
    for name in Entry._fields:
        seen: set[object] = set()
        for one in entries:
            value = getattr(one, name)
            if value in seen:
                raise refuse(f"The {name} {value} is there twice. Drizzle could not tell the two apart either.")
            seen.add(value)
    return tuple(entries)
