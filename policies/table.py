"""Every policy as a table: `python -m policies.table` prints what docs/policies.md holds."""

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trellis.settings.catalogue import Phase

from . import kinds
from .pack import RULES
from .rules import ALWAYS, Rule, StackRule

_PACKAGE = "digitalocean:"


def as_markdown() -> str:
    """One row a policy, one row a setting, one row a thing that no policy judges."""
    policies = [
        f"| `{rule.name}` | {_level(rule)} | {_when(rule)} | {rule.protects} | {rule.fix} | [source]({rule.source}) |"
        for rule in RULES
    ]
    settings = [
        f"| `{rule.name}` | `{key}` | {_default(schema)} | {schema['description']} |"
        for rule in RULES
        for key, schema in rule.config.items()
    ]
    return "\n".join(
        [
            "| policy | level, severity | phases | protects from | fix | |",
            "|---|---|---|---|---|---|",
            *policies,
            "",
            "| policy | setting | default | |",
            "|---|---|---|---|",
            *settings,
            "",
            "## What is not judged",
            "",
            "| what | why, and who looks |",
            "|---|---|",
            *(f"| {what} | {why} |" for what, why in _not_judged()),
        ]
    )


def known_types() -> frozenset[str]:
    """The resource types of DigitalOcean that a policy of its own is about."""
    return frozenset(kind for kind in vars(kinds).values() if isinstance(kind, str) and kind.startswith(_PACKAGE))


def every_type() -> frozenset[str]:
    """The resource types that DigitalOcean's SDK has."""
    found = find_spec("pulumi_digitalocean")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("pulumi_digitalocean")
    return frozenset(re.findall(rf'"({_PACKAGE}index/\w+:\w+)"', Path(found.origin).read_text()))


def _not_judged() -> Iterator[tuple[str, str]]:
    others = [f"`{kind.rpartition(':')[2]}`" for kind in sorted(every_type() - known_types())]
    yield (
        f"{len(others)} of DigitalOcean's {len(every_type())} resource types: {' '.join(others)}",
        "No policy is about them but `no-plain-password`, which reads every property of every resource. "
        "`preview-report` tells what changes, and says `not known: look it up before merging`.",
    )
    of_stacks = [rule for rule in RULES if isinstance(rule, StackRule)]
    for phase in Phase:
        names = [f"`{rule.name}`" for rule in of_stacks if phase not in rule.phases]
        if names:
            yield f"In the phase {phase}: {', '.join(names)}", "They hold in the later phases alone."
    spared = [f"`{rule.name}`" for rule in of_stacks if rule.spares_development]
    yield (
        f"In development: {', '.join(spared)}",
        "What may be thrown away need not keep them: a stack under developmentStacks, or one whose cloud is on this "
        "machine.",
    )
    yield from _NOBODY


# What no policy is shown, whatever its code.
_NOBODY = (
    (
        "Other providers' resources, such as Cloudflare's records and rules",
        "`no-plain-password` alone reads them. `preview-report` tells what changes, value by value.",
    ),
    (
        "What only `up` will know",
        "A policy that waits for it says so under `postponed-to-up`, and judges in `up`: before the resource is made "
        "where it is about one resource, at the end where it is about the stack.",
    ),
    (
        "Resources that the program only looks up, those of other stacks, and what was made or changed by hand",
        "They are not in the stack. `trellis preview-report` does not refresh; a preview with `--refresh` does.",
    ),
    (
        "The stack's outputs",
        "The engine does not show a policy which of them are secrets. `preview-report` reads them from its events, and "
        "objects to a plain one.",
    ),
    (
        "A secret that neither its name nor its form gives away; one that is put together or encoded by the program",
        "Nothing finds it. Secret config and secret outputs stay secret, whatever their names.",
    ),
    (
        "What a program does besides resources: code that runs during a preview, dynamic providers, a `Command`",
        "It runs with the rights of the preview. Whoever approves a preview has read it.",
    ),
    (
        "What runs inside: images of apps, an app's own code, what user data installs",
        "`droplet-behind-firewall` looks for words, `no-plain-password` for secrets; nothing else is read.",
    ),
    (
        "SQL",
        "No policy reads it. `trellis check` does, in `preview-report` too, and says what it cannot: rows, how long a "
        "statement takes, what a `DO` block locks, a stack's test data.",
    ),
    (
        "What is not on the bill: traffic, backups beyond the plan, snapshots, taxes, the types above",
        "`monthly-budget` and `prices-known` count clusters, replicas, Droplets, volumes, Spaces and apps.",
    ),
)


def _level(rule: Rule) -> str:
    return f"{'mandatory' if rule.mandatory else 'advisory'}, {rule.severity.value}"


def _when(rule: Rule) -> str:
    if not isinstance(rule, StackRule):
        return "all"
    phases = "all" if rule.phases == ALWAYS else ", ".join(phase for phase in Phase if phase in rule.phases)
    return phases + (", not in development" if rule.spares_development else "")


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default in (None, [], {}):
        return ""
    # A bar would end the cell.
    text = " ".join(map(str, default)) if isinstance(default, list) else str(default).replace("|", "\\|")
    return f"`{text}`"


if __name__ == "__main__":
    print(as_markdown())  # noqa: T201
