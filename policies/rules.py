"""What a policy is: its facts as data, and one function that finds what breaks it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import Severity

from trellis.settings.catalogue import Phase

from .resources import Resource, Stack

Config = Mapping[str, Any]
ALWAYS = frozenset(Phase)
GROWN = frozenset({Phase.GROWTH, Phase.SCALE})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that breaks a policy. urn: of the resource at fault; None for the stack as a whole."""

    message: str
    urn: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The facts of a policy.

    protects: what goes wrong without it. fix: what to do. source: the page that the rule follows.
    mandatory: a finding stops the run; otherwise it is advice.
    config: the policy's own settings, name -> JSON schema with a default.
    """

    name: str
    protects: str
    fix: str
    source: str
    severity: Severity
    mandatory: bool = True
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settings(self, given: Config | None) -> Config:
        """What the policy goes by: the settings given, the defaults for the others."""
        defaults = {key: schema["default"] for key, schema in self.config.items() if "default" in schema}
        return {**defaults, **(given or {})}


@dataclass(frozen=True, kw_only=True)
class ResourceRule(Rule):
    """Judges each resource of the given types before it is made; yields messages."""

    types: frozenset[str]
    check: Callable[[Resource, Config], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class StackRule(Rule):
    """Judges the stack as a whole, in a preview and at the end of `up`.

    phases: those in which it holds. spares_development: a stack that may be thrown away need not keep it.
    """

    check: Callable[[Stack, Config], Iterable[Finding]]
    phases: frozenset[Phase] = ALWAYS
    spares_development: bool = False

    def holds(self, stack: Stack) -> bool:
        """Whether the stack must keep it. A stack without a phase keeps what holds in every phase."""
        if self.spares_development and stack.development:
            return False
        return self.phases == ALWAYS or stack.phase in self.phases


@dataclass(frozen=True, kw_only=True)
class SecretRule(Rule):
    """Judges values by whether they are secrets.

    check: gets a resource's inputs with secrets still marked, and a list for the paths that only `up` will know.
    """

    check: Callable[[Mapping[str, Any], list[str]], Iterable[str]]
