"""YAML with the line of every key, so that an error can name the place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trellis.settings.errors import SettingsError

Location = tuple[str | int, ...]

_KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
_LONGEST = 80
# Far beyond any system; an anchor that is used again and again can stand for billions.
_MOST_KEYS = 20_000


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
        key = ".".join(shown(str(part)) for part in location)
        return f"{self.name}{line}{', ' + key if key else ''}"


def shown(text: str) -> str:
    """Text of a file as an error shows it: on one line, and not all of it where it is long."""
    printable = text if text.isprintable() else text.encode("unicode_escape", "surrogatepass").decode()
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}…"


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
    lines: dict[Location, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _locate(node, (), lines, name)
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{name}{line}: not valid YAML: {shown(str(error.problem))}.") from error
    except yaml.reader.ReaderError as error:
        raise SettingsError(f"{name}: not valid YAML: a character at {error.position} that no text holds.") from error
    except RecursionError as error:
        raise SettingsError(f"{name}: nested too deeply, or in itself.") from error
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"{name}: a number or a tagged value in it cannot be read.") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{name}: expected keys and values at the top, for example `name: villa`.")
    return Source(name=name, data=data, lines=lines)


def stack_file(path: Path) -> Mapping[str, Any]:
    """The keys under `config` of a Pulumi.<stack>.yaml. Raises SettingsError as `read` does, or for none."""
    config = read(path, name=path.name).data.get("config")
    if not isinstance(config, dict):
        raise SettingsError(f"{path.name}: expected `config:` and below it the stack's keys.")
    return config


class _Loader(yaml.SafeLoader):
    """Takes what looks like a date for text: no value of ours is one."""

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _locate(node: yaml.Node, at: Location, lines: dict[Location, int], name: str) -> None:
    if len(lines) > _MOST_KEYS:
        raise SettingsError(f"{name}: more than {_MOST_KEYS} keys and values.")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag not in _KEYS:
                what = (
                    f"'{shown(key.value)}' without quotes" if isinstance(key, yaml.ScalarNode) else "what stands here"
                )
                raise SettingsError(f"{name}:{key.start_mark.line + 1}: a key is a text, and {what} is none.")
            location = (*at, key.value)
            if location in lines:
                raise SettingsError(
                    f"{name}:{key.start_mark.line + 1}, {'.'.join(shown(str(part)) for part in location)}: this name "
                    f"stands twice; the first is on line {lines[location]}."
                )
            lines[location] = key.start_mark.line + 1
            _locate(value, location, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _locate(value, (*at, index), lines, name)
