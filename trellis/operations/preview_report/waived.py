"""What a pull request is not held to: rules that files take back, policies that are softened, reasons given."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trellis.migrator import MigrationError, discover
from trellis.operations.check.gate import placeholders
from trellis.operations.check.statements import Checked, Waiver
from trellis.operations.databases import Sources

_LEVEL = "enforcementLevel"


def touched(databases: Sequence[Sources], base: Path) -> Iterator[Waiver]:
    """The waivers in SQL files that differ from those of another checkout, pending or not."""
    for database in databases:
        try:
            files = discover(database.folder)
        except MigrationError:
            # The review says so.
            continue
        for file in files:
            before = base / file.path
            if before.is_file() and before.read_bytes() == file.path.read_bytes():
                continue
            try:
                yield from Checked.of(file, placeholders(database)).waivers
            except MigrationError:
                continue


def disabled(settings: Mapping[str, Any], policy: str) -> bool:
    """Whether the pack's settings take a policy away."""
    given = settings.get(policy, settings.get("all"))
    return (given.get(_LEVEL) if isinstance(given, Mapping) else given) == "disabled"


def softened(settings: Mapping[str, Any]) -> Iterator[str]:
    """A line for each policy that does not do all it could. settings: the pack's, policy -> level or settings."""
    from trellis.policies.pack import RULES

    advice = {rule.name for rule in RULES if not rule.mandatory}
    for name, given in settings.items():
        values = dict(given) if isinstance(given, Mapping) else {_LEVEL: given}
        level = values.pop(_LEVEL, None)
        if level == "disabled":
            yield "Every policy is disabled." if name == "all" else f"`{name}` is disabled."
        elif level == "advisory" and name not in advice:
            yield "Every policy only advises." if name == "all" else f"`{name}` only advises."
        reasons = values.pop("reasons", {})
        yield from (f"`{name}` lets `{what}` pass: {why}" for what, why in dict(reasons).items())
        if values:
            yield f"`{name}` goes by {', '.join(f'{key} `{json.dumps(value)}`' for key, value in values.items())}."
