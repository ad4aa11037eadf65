"""A review for a terminal, and for a pull request."""

from collections.abc import Sequence

from operations.check.findings import Finding, Review, Severity
from operations.terminal import paint

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def as_text(reviews: Sequence[tuple[str, Review]]) -> str:
    """Findings as compilers write them, a place an editor can jump to, and a line that sums up each database."""
    lines = []
    for name, review in reviews:
        for finding in review.findings:
            severity = paint(finding.severity, _COLOURS[finding.severity])
            lines.append(f"{_place(finding)}: {severity}: {finding.message} [{finding.rule}]")
            if finding.advice:
                lines.append(f"    {finding.advice}")
        prefix = f"{name}: " if len(reviews) > 1 else ""
        lines.append(f"{prefix}{_summary(review)}")
    return "\n".join(lines)


def as_markdown(reviews: Sequence[tuple[str, Review]]) -> str:
    """The same as Markdown, a table for each database."""
    parts = ["## Migrations reviewed"]
    for name, review in reviews:
        parts.append(f"### {_cell(name)}\n\n{_summary(review)}")
        if review.findings:
            rows = [
                f"| {one.severity} | `{_cell(_place(one))}` | {_cell(one.rule)} | {_cell(one.message)}"
                f"{'<br>' + _cell(one.advice) if one.advice else ''} |"
                for one in review.findings
            ]
            parts.append("\n".join(["| severity | place | rule | finding |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _place(finding: Finding) -> str:
    return ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part is not None)


def _summary(review: Review) -> str:
    if not review.files:
        return "Nothing is pending."
    warnings = len(review.findings) - review.errors
    found = (
        f"{_count(review.errors, 'error')} and {_count(warnings, 'warning')}" if review.findings else "nothing found"
    )
    return f"{_count(review.files, 'file')} reviewed, {found}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
