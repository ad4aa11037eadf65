"""Everything that a reviewer needs, and what the pull request is held up for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trellis.operations.check.findings import Review, Severity
from trellis.operations.check.rendering import place_of, said
from trellis.operations.check.statements import Waiver
from trellis.operations.preview_report.connections import disturbances, loss
from trellis.operations.preview_report.costs import Costs
from trellis.operations.preview_report.places import Places
from trellis.operations.preview_report.preview import Preview, Step
from trellis.operations.preview_report.waived import disabled, softened

NOTHING, FAILED, OBJECTION = 0, 1, 4


@dataclass(frozen=True, kw_only=True)
class Objection:
    """What holds a pull request up. place: a file, with a line where one is at fault. rule: of a policy or of `check`.

    advice: what to do. source: the page that says so.
    """

    what: str
    place: str | None = None
    rule: str | None = None
    advice: str | None = None
    source: str | None = None

    def __str__(self) -> str:
        parts = (self.place and f"{self.place}:", self.what, self.advice, self.rule and f"[{self.rule}]")
        return " ".join(filter(None, parts))


@dataclass(frozen=True, kw_only=True)
class Report:
    """losses: changes that delete data, or their protection, and nobody has allowed.

    unread: why the migrations of a database were not reviewed. judge: files that judge, which are changed and were not
    heeded. settings: of the policies, in force. waivers: what SQL files take back. allowed: what may be deleted or
    changed all the same. places: where resources are asked for.

    diagram: the stack as Mermaid, with what changes in colour; None where nothing that it shows does.
    """

    stack: str
    preview: Preview
    reviews: Sequence[tuple[str, Review]]
    unread: Sequence[str]
    costs: Costs
    losses: Sequence[Step]
    judge: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    waivers: Sequence[Waiver] = ()
    allowed: Sequence[str] = ()
    places: Places | None = None
    diagram: str | None = None

    @property
    def objections(self) -> list[Objection]:
        """What must change before a merge."""
        return [
            *(
                Objection(
                    place=name,
                    what="It is changed, and judges what is merged after it. It was not heeded here.",
                    advice=f"Somebody with the right to it reads it and lifts this: --may-change {name}.",
                )
                for name in self.judge
            ),
            *(_of_policy(finding, self.places) for finding in self.preview.violations),
            *(
                Objection(
                    what=f"The stack's output {path} is {what}, for whoever may read the stack.",
                    rule="no-plain-password",
                    advice="Export it as a secret: pulumi.Output.secret(…).",
                )
                for path, what in self.preview.told.items()
                if not disabled(self.settings, "no-plain-password")
            ),
            *(
                Objection(place=place_of(one), what=said(one), rule=one.rule, advice=one.advice)
                for _, review in self.reviews
                for one in review.findings
                if one.severity is Severity.ERROR
            ),
            *(
                Objection(
                    place=self.places.of(step.type, step.name) if self.places else None,
                    what=f"{step.name}{f' is {step.operation}d' if step.operation else ''}: {loss(step)}.",
                    advice=f"Where that is meant: --may-delete {step.name}.",
                )
                for step in self.losses
            ),
        ]

    @property
    def not_enforced(self) -> list[str]:
        """What the pull request is not held to, a line each."""
        return [
            *(f"`{one.file}:{one.line}` waives `{one.rule}`." for one in self.waivers),
            *softened(self.settings),
            *self.allowed,
        ]

    @property
    def failures(self) -> list[str]:
        """What could not be found out."""
        # A policy that objects ends the preview with an error of the engine's that says no more.
        errors = [one for one in self.preview.errors if not (self.preview.violations and one == "preview failed")]
        # What is wrong with a file, the program and the review both say.
        found = list(dict.fromkeys([*errors, *self.unread]))
        # What the program says of itself, it says twice.
        return [one for one in found if not one.startswith("an unhandled error occurred")] or found

    @property
    def stopped(self) -> bool:
        """Whether the program ended before it was through, so that what it did not say means nothing."""
        return bool(self.preview.errors) and not self.preview.violations

    @property
    def exit_code(self) -> int:
        """FAILED when something could not be found out, else OBJECTION or NOTHING."""
        if self.failures:
            return FAILED
        return OBJECTION if self.objections else NOTHING

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return {
            "command": "preview-report",
            "stack": self.stack,
            "ok": self.exit_code == NOTHING,
            "objections": list(map(str, self.objections)),
            "failures": self.failures,
            "resources": [step.to_dict() for step in self.preview.changes],
            "settings": dict(self.settings),
            "not_enforced": self.not_enforced,
            "policies": {
                kind: [
                    {"policy": one["policyName"], "urn": one.get("resourceUrn"), "message": one["message"].strip()}
                    for one in findings
                ]
                for kind, findings in (
                    ("violations", self.preview.violations),
                    ("advice", self.preview.advice),
                    ("postponed", self.preview.postponed),
                )
            },
            "migrations": [{"database": name, **review.to_dict()} for name, review in self.reviews],
            "connections": [{"urn": step.urn, "effect": text} for step, text in disturbances(self.preview.changes)],
            "monthly_usd": {
                "before": self.costs.before,
                "after": self.costs.after,
                "unpriced": list(self.costs.unpriced),
            },
        }


def _of_policy(finding: Mapping[str, Any], places: Places | None) -> Objection:
    """The engine's text is what the policy protects from, and below it what it found, what to do and the source."""
    from trellis.policies.pack import RULES

    policy, urn = finding["policyName"], finding.get("resourceUrn") or ""
    what = finding["message"].strip().splitlines()[-1]
    # A pack of the base may have other words, which stay together.
    rule = next((one for one in RULES if one.name == policy and what.endswith(f" {one.fix} {one.source}")), None)
    place = places.of(urn.split("::")[2].rpartition("$")[2], urn.split("::", 3)[3]) if places and urn else None
    if rule is None:
        return Objection(place=place, what=what, rule=policy)
    found = what.removesuffix(f" {rule.fix} {rule.source}")
    return Objection(place=place, what=found, rule=policy, advice=rule.fix, source=rule.source)
