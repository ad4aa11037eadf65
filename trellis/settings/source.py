"""YAML with the line of every key, so that an error can name the place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trellis.settings.errors import SettingsError

Location = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A parsed YAML file. `lines` holds the 1-based line of each key and list item by its location."""

    name: str
    data: Any
    lines: Mapping[Location, int]

    def place(self, location: Location) -> str:
        """The text that opens an error: file, line and key. A key that is not there takes its parent's line."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        line = f":{self.lines[known]}" if known in self.lines else ""
        key = ".".join(str(part) for part in location)
        return f"{self.name}{line}{', ' + key if key else ''}"


def read(path: Path, *, name: str) -> Source:
    """Reads one YAML file. `name` is how errors call it.

    Raises SettingsError when it cannot be read, is no YAML, is no mapping or holds a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: not UTF-8 at byte {error.start}.") from error
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Location, int] = {}
        if node is not None:
            _locate(node, (), lines, name)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{name}{line}: not valid YAML: {error.problem}.") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{name}: expected keys and values at the top, for example `name: villa`.")
    return Source(name=name, data=data, lines=lines)


def _locate(node: yaml.Node, at: Location, lines: dict[Location, int], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            location = (*at, key.value)
            if location in lines:
                raise SettingsError(
                    f"{name}:{key.start_mark.line + 1}, {'.'.join(map(str, location))}: this name stands twice; "
                    f"the first is on line {lines[location]}."
                )
            lines[location] = key.start_mark.line + 1
            _locate(value, location, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _locate(value, (*at, index), lines, name)
