"""Flyway's settings of a single migration, `<name>.sql.conf`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trellis.migrator.errors import MigrationError

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ScriptConfig:
    """How one migration is run.

    execute_in_transaction: False sends its statements one by one, outside a transaction; None leaves it to what the
        statements need.
    placeholder_replacement: whether `${name}` is replaced.
    """

    execute_in_transaction: bool | None = None
    placeholder_replacement: bool = True


DEFAULT_CONFIG = ScriptConfig()


def read_config(path: Path) -> ScriptConfig:
    """Read the settings; all at their defaults when the file is not there.

    Raises MigrationError for a line that is no setting, a setting that is not known and a value other than true and
    false; OSError when the file cannot be read.
    """
    values: dict[str, bool] = {}
    for number, setting, value in settings(path):
        if setting == "encoding" and (value or "").upper() in ("UTF-8", "UTF8"):
            continue
        if value is None or setting not in ("executeInTransaction", "placeholderReplacement"):
            raise MigrationError(
                f"{setting!r} is not a setting this migrator knows: executeInTransaction and placeholderReplacement"
                " are, as name=value, and encoding where it is UTF-8.",
                file=str(path),
                line=number,
            )
        if value.lower() not in _BOOLEANS:
            raise MigrationError(f"{setting} is true or false, not {value!r}.", file=str(path), line=number)
        values[setting] = _BOOLEANS[value.lower()]
    return ScriptConfig(values.get("executeInTransaction"), values.get("placeholderReplacement", True))


def settings(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Line, name and value of each setting, None without an equals sign; nothing when the file is not there.

    Raises MigrationError for a file that is not UTF-8; OSError when it cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return
    except UnicodeDecodeError:
        raise MigrationError("The file is not UTF-8.", file=str(path)) from None
    for number, line in enumerate(lines, start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if name and not name.startswith("#"):
            yield number, name, value if equals else None
