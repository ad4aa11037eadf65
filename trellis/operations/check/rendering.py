"""A review for a terminal, and for a pull request."""

from collections.abc import Iterator, Sequence

from trellis.operations.check.findings import Finding, Review, Severity, Shadow
from trellis.operations.check.shadow.changes import Change, How
from trellis.operations.terminal import paint

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_SIGNS = {How.ADDED: "+", How.DROPPED: "-", How.CHANGED: "~"}
_MARKS = {"+": "+", "-": "-", "~": "!"}
_SIGN_COLOURS = {"+": "green", "-": "red", "~": "yellow", "@": "dim"}
_ON_SOMETHING = frozenset({"comment", "grants", "default grants"})
# Of what is added, a definition of one line is shown where it says more than the name; a longer one is in the file.
_SAID_BY_NAME = frozenset({"comment", "extension", "schema"})


def as_text(reviews: Sequence[tuple[str, Review]]) -> str:
    """Findings as compilers write them, a place an editor can jump to; locks; how the schema changes; a last line."""
    lines: list[str] = []
    for name, review in reviews:
        for finding in review.findings:
            severity = paint(finding.severity, _COLOURS[finding.severity])
            lines.append(f"{place_of(finding)}: {severity}: {said(finding)} [{finding.rule}]")
            if finding.advice:
                lines.append(f"    {finding.advice}")
        if review.risks:
            lines += [paint("Locks of what is there already:", "bold"), *_locks(review)]
        if review.shadow is not None and review.shadow.changes:
            lines.append(paint(f"{_heading(review.shadow)}:", "bold"))
            lines += [f"  {paint(line, _SIGN_COLOURS.get(line.lstrip()[:1]))}" for line in _changes(review.shadow)]
        prefix = f"{name}: " if len(reviews) > 1 else ""
        lines.append(f"{prefix}{_summary(review)}")
    return "\n".join(lines)


def as_markdown(reviews: Sequence[tuple[str, Review]], *, errors: bool = True) -> str:
    """The same as Markdown, a table and a diff for each database. errors: whether they stand here, not elsewhere."""
    parts = ["## Migrations reviewed"]
    for name, review in reviews:
        parts.append(f"### {_cell(name)}\n\n{_summary(review)}")
        told = [one for one in review.findings if errors or one.severity is not Severity.ERROR]
        if told:
            rows = [
                f"| {one.severity} | `{_cell(place_of(one))}` | {_cell(one.rule)} | {_cell(said(one))}"
                f"{'<br>' + _cell(one.advice) if one.advice else ''} |"
                for one in told
            ]
            parts.append("\n".join(["| severity | place | rule | finding |", "|---|---|---|---|", *rows]))
        if review.risks:
            locks = [
                f"| `{_cell(f'{one.file}:{one.line}')}` | `{_cell(one.statement)}` | {one.lock or 'not known'} |"
                f" {one.work or 'not known'} | {one.holds_up or 'not known'} |"
                for one in review.risks
            ]
            parts.append(
                "\n".join(["| place | statement | lock | meanwhile | waits |", "|---|---|---|---|---|", *locks])
            )
        if review.shadow is not None and review.shadow.changes:
            diff = [_marked(line) for line in _changes(review.shadow)]
            fence = "`" * max(3, 1 + max(_longest_run(line) for line in diff))
            parts.append("\n".join([f"{_heading(review.shadow)}:\n", f"{fence}diff", *diff, fence]))
    return "\n\n".join(parts)


def _locks(review: Review) -> Iterator[str]:
    for one in review.risks:
        yield f"  {one.file}:{one.line}: {one}"


def _heading(shadow: Shadow) -> str:
    state = "The schema changes" if shadow.complete else "The schema had changed when the run stopped"
    if not shadow.complete:
        return state
    of = ", from what the applied files make" if shadow.from_files else ""
    return f"{state} (PostgreSQL {shadow.server_version}, {shadow.milliseconds} ms{of})"


def _changes(shadow: Shadow) -> Iterator[str]:
    """A line an object, what it consists of below it; a changed definition as a unified diff."""
    for one in shadow.changes:
        of = f" on {one.table}" if one.table else ""
        kind = f"{one.kind} on" if one.kind in _ON_SOMETHING else one.kind
        yield f"{_SIGNS[one.change]} {kind} {one.name}{of}"
        for column in one.columns:
            definition = column.after or column.before
            if column.change is How.CHANGED:
                definition = f"{column.before} -> {column.after}"
            yield f"    {_SIGNS[column.change]} column {column.name} {definition}"
        if one.owner:
            yield f"    ~ owner {one.owner[0]} -> {one.owner[1]}"
        yield from (f"    {line}" for line in _definition(one))


def _definition(one: Change) -> Sequence[str]:
    if one.change is How.CHANGED:
        return one.diff
    if one.kind in _SAID_BY_NAME or one.columns or (one.kind != "grants" and "\n" in (one.after or "")):
        return []
    return (one.after or "").splitlines()


def _marked(line: str) -> str:
    """A line with its sign in front, where Markdown colours a diff by it."""
    sign = line.lstrip()[:1]
    if sign not in _MARKS:
        return f" {line}"
    return f"{_MARKS[sign]}{line[1:] if line.startswith(sign) else line.replace(sign, ' ', 1)}"


def _longest_run(line: str) -> int:
    return max((len(run) for run in "".join(c if c == "`" else " " for c in line).split()), default=0)


def place_of(finding: Finding) -> str:
    """File, line and column, as far as they are known."""
    return ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part is not None)


def said(finding: Finding) -> str:
    """Its message, with what the server called it."""
    return f"{finding.message} (SQLSTATE {finding.sqlstate})" if finding.sqlstate else finding.message


def _summary(review: Review) -> str:
    if not review.files:
        return "Nothing is pending."
    warnings = len(review.findings) - review.errors
    found = (
        f"{_count(review.errors, 'error')} and {_count(warnings, 'warning')}" if review.findings else "nothing found"
    )
    ran = " and run on a throw-away server" if review.shadow and review.shadow.complete else ""
    return f"{_count(review.files, 'file')} reviewed{ran}, {found}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
