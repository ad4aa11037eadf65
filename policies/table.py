"""Every policy as a table: `python -m policies.table` prints what docs/policies.md holds."""

from collections.abc import Mapping
from typing import Any

from trellis.settings.catalogue import Phase

from .pack import RULES
from .rules import ALWAYS, Rule, StackRule


def as_markdown() -> str:
    """One row a policy, then one row a setting."""
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
        ]
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
