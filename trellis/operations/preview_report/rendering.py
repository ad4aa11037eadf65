"""The report as Markdown for a comment."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from trellis.operations.check.rendering import as_markdown as reviews_as_markdown
from trellis.operations.preview_report.connections import disturbances
from trellis.operations.preview_report.preview import Step
from trellis.operations.preview_report.report import Objection, Report
from trellis.policies.prices import dollars

# GitHub takes comments of 65,536 characters.
LONGEST = 65_000
LEGEND = (
    "Green is created, yellow updated (with a broken border: perhaps), orange replaced, red deleted; the rest stays."
)


def marker(stack: str) -> str:
    """The first line of a stack's comment, by which the next run finds it."""
    return f"<!-- trellis preview-report: {stack} -->"


def as_markdown(report: Report) -> str:
    """One comment. What holds the pull request up comes first."""
    text = f"{marker(report.stack)}\n\n# Preview of `{report.stack}`\n\n{_verdict(report)}\n"
    not_enforced = [_not_enforced] if report.not_enforced else []
    changes = [] if report.stopped else [_resources, _connections, _policies]
    sections = [*([] if report.stopped else [_costs]), *not_enforced, *changes]
    written = ["\n\n".join(section(report)) for section in sections]
    if report.reviews:
        written.append(reviews_as_markdown(report.reviews, errors=False))
    left_out = []
    for section in written:
        # Cut in the midst of a table, the rest of a comment would be unreadable.
        if len(text) + len(section) > LONGEST:
            left_out.append(section.partition("\n")[0].lstrip("# "))
        else:
            text += f"\n{section}\n"
    if left_out:
        text += f"\nToo long for a comment: {', '.join(left_out)}. `trellis preview-report` shows it.\n"
    return text


def _verdict(report: Report) -> str:
    if report.failures:
        return "\n\n".join(["**The preview is not complete.**", *map(_quoted, report.failures), *_objections(report)])
    if report.objections:
        return "\n\n".join(["**Not to be merged like this.**", *_objections(report)])
    return "Nothing to object to."


def _objections(report: Report) -> list[str]:
    lines = list(map(_objection, report.objections))
    # What follows has its place too.
    kept = sum(total < LONGEST // 2 for total in accumulate(map(len, lines)))
    if kept < len(lines):
        lines[kept:] = [f"- … and {len(lines) - kept} more. `trellis preview-report` shows them."]
    return ["\n".join(lines)] if lines else []


def _objection(one: Objection) -> str:
    """A place to go to, what is wrong there and by which rule; below it, what to do."""
    place = f"`{one.place}`: " if one.place else ""
    rule = f" [`{one.rule}`]({one.source})" if one.source else f" `{one.rule}`" if one.rule else ""
    advice = f"<br>{_cell(one.advice)}" if one.advice else ""
    return f"- {place}{_cell(one.what)}{rule}{advice}"


def _not_enforced(report: Report) -> Iterator[str]:
    yield "## What is not enforced here"
    yield "\n".join(f"- {_cell(one)}" for one in report.not_enforced)


def _resources(report: Report) -> Iterator[str]:
    yield "## Resources"
    changes = report.preview.changes
    if not changes:
        yield "Nothing changes."
        return
    counts = Counter(_outlook(step, "to ") for step in changes)
    kept = len(report.preview.steps) - len(changes)
    yield ", ".join([*(f"{number} {outlook}" for outlook, number in counts.items()), f"{kept} unchanged"]) + "."
    if not all(step.certain for step in changes):
        yield "Perhaps: only `up` will know a value of it, and nothing else that can be seen here is different."
    if report.diagram:
        yield f"<details><summary>Diagram</summary>\n\n```mermaid\n{report.diagram}```\n\n{LEGEND}\n\n</details>"
    yield _table(
        ("", "type", "name", "changes"),
        [
            (_outlook(step), f"`{step.type.rpartition(':')[2]}`", f"`{step.name}`", ", ".join(step.describe()))
            for step in changes
        ],
    )


def _outlook(step: Step, to: str = "") -> str:
    return f"{'' if step.certain else 'perhaps '}{to}{step.operation}"


def _connections(report: Report) -> Iterator[str]:
    yield "## Running connections"
    rows = [(f"`{step.name}`", text) for step, text in disturbances(report.preview.changes)]
    yield _table(("resource", "what its clients notice"), rows) if rows else "Nobody who is connected notices."


def _policies(report: Report) -> Iterator[str]:
    yield "## Policies"
    preview = report.preview
    broken = len({one["policyName"] for one in preview.violations})
    if broken:
        yield f"{broken} {'is' if broken == 1 else 'are'} broken; the top says how."
    elif not preview.findings:
        yield "All kept."
    for title, findings in (
        ("Advice", preview.advice),
        ("Postponed to `up`, which will know the values", preview.postponed),
    ):
        if findings:
            yield f"{title}:\n\n" + _table(("policy", "resource", "finding"), map(_finding, findings))


def _finding(finding: Mapping[str, Any]) -> Sequence[str]:
    level = finding.get("severity")
    name = f"`{finding['policyName']}`" + (f" ({level})" if level else "")
    return (
        name,
        f"`{finding.get('resourceUrn', '').rpartition('::')[2]}`",
        finding["message"].strip().replace("\n", " "),
    )


def _costs(report: Report) -> Iterator[str]:
    costs = report.costs
    yield "## Monthly cost"
    change = costs.after - costs.before
    plus = "+" if change > 0 else ""
    told = f" ({plus}{dollars(change)})." if change else "."
    yield f"{dollars(costs.before)} before, {dollars(costs.after)} after{told}"
    if costs.changed:
        rows = [(f"`{name}`", dollars(before), dollars(after)) for name, (before, after) in costs.changed.items()]
        yield _table(("resource", "before", "after"), rows)
    if costs.unpriced:
        yield f"Without a price, and left out: {', '.join(costs.unpriced)}."
    yield "Databases, Droplets, volumes, Spaces and apps. No traffic, no taxes."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
