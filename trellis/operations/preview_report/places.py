"""Where a resource is asked for: the line of the system file, or of the stack's config, that a reviewer can go to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trellis.policies.kinds import APP, CLUSTER, DATABASE, DROPLET, FIREWALL, POOL, REPLICA, USER
from trellis.settings import SettingsError
from trellis.settings.source import Location, Source, read

# Type -> the keys of a system file under which its names stand.
_UNDER = {
    APP: ("apps",),
    CLUSTER: ("clusters", "caches"),
    DATABASE: ("databases",),
    DROPLET: ("droplets", "clusters"),
    POOL: ("pools",),
    REPLICA: ("clusters",),
    USER: ("users",),
}


class Places:
    """The files of one stack. Without a system file, as in a program of somebody else's, nothing has a place."""

    def __init__(self, root: Path, stack: str, system: str) -> None:
        self._system = _source(root, f"systems/{system}.yaml")
        self._stack = _source(root, f"Pulumi.{stack}.yaml")

    def of(self, kind: str, name: str) -> str | None:
        """File and line of a resource, by its type and the program's name for it."""
        if kind == FIREWALL:
            return _place(self._stack, ("config", "trellis:trustedSources"))
        if self._system is None:
            return None
        found = [
            (len(own), location)
            for under in _UNDER.get(kind, ())
            for own, location in _names(self._system.data, under)
            if name == own or name.endswith(f"-{own}") or (kind == REPLICA and name.startswith(f"{own}-"))
        ]
        if kind == DROPLET and not found:
            # What no system file names watches the stack.
            return _place(self._stack, ("config", "trellis:monitoring"))
        return _place(self._system, max(found)[1]) if found else None


def _source(root: Path, name: str) -> Source | None:
    try:
        return read(root / name, name=name)
    except SettingsError:
        # The program says so.
        return None


def _place(source: Source | None, location: Location) -> str | None:
    return f"{source.name}:{source.lines[location]}" if source and location in source.lines else None


def _names(value: Any, under: str, at: Location = ()) -> Iterator[tuple[str, Location]]:
    """Every name that stands directly under a key, wherever that is, with where it stands."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == under and isinstance(inner, dict):
            for own, one in inner.items():
                yield str((isinstance(one, dict) and one.get("name")) or own), (*at, key, own)
        elif key == under and isinstance(inner, list):
            yield from ((str(one), (*at, key, number)) for number, one in enumerate(inner))
        yield from _names(inner, under, (*at, key))
