"""A look as one page that needs nothing else: no script, no font and no picture, and browsers let it ask for none."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from math import ceil, floor, log10
from typing import Any

from trellis.monitoring.limits import GIB
from trellis.operations.status.look import Page, Seen
from trellis.operations.status.page import as_text
from trellis.operations.status.words import size

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#222, #e4e4e4); --paper: light-dark(#fff, #181818);
  --soft: light-dark(#f4f4f4, #242424); --dim: light-dark(#5c5c5c, #a8a8a8); --line: light-dark(#ccc, #484848);
  --plot: light-dark(#0b62b8, #6cb2ff); --critical: light-dark(#b00020, #ff8a94);
  --warning: light-dark(#835700, #e8b44a) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere }
h2 { margin: 2.5rem 0 1rem } ul, ol { list-style: none; padding: 0; margin: 0 } figure { margin: 0 }
.findings li { border-left: 4px solid currentColor; padding: .1rem .8rem; margin: .8rem 0 } .findings p { margin: 0 }
.critical { color: var(--critical) } .warning { color: var(--warning) } .note, .none { color: var(--dim) }
.findings p, .findings code { color: var(--ink) } code { font-size: 13px }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 2rem }
figcaption { font-weight: 600; margin-bottom: .6rem } .wide { grid-column: 1 / -1 }
svg { display: block }
.bars li { margin: .5rem 0 } .bar { display: block; height: .5rem; min-width: 2px; background: var(--plot) }
pre { background: var(--soft); padding: 1rem; overflow-x: auto; font-size: 13px }
@media print { :root { color-scheme: light } pre { white-space: pre-wrap } figure, .findings li { break-inside: avoid }
  .bar { print-color-adjust: exact } }
"""
_COLOUR = re.compile(r"\x1b\[\d+m")
# pygal adds a script, its name as a title, and comments.
_ADDED = re.compile(r"<script\b.*?</script>|<title>Pygal</title>|<!--.*?-->", re.DOTALL)
# As wide as a phone is, and never scaled: a text keeps its size.
_LOOK: dict[str, Any] = {
    "width": 352,
    "height": 190,
    "explicit_size": True,
    "margin": 4,
    # For half of a time.
    "margin_left": 36,
    "margin_right": 56,
    "dots_size": 2,
    "show_legend": False,
    "truncate_label": -1,
    "js": (),
    "disable_xml_declaration": True,
}
_COLOURS: dict[str, Any] = {
    **dict.fromkeys(("background", "plot_background"), "transparent"),
    **dict.fromkeys(("foreground", "foreground_strong", "foreground_subtle"), "var(--dim)"),
    **dict.fromkeys(("guide_stroke_color", "major_guide_stroke_color"), "var(--line)"),
    **dict.fromkeys(("label_font_size", "major_label_font_size"), 12),
    "colors": ("var(--plot)",),
    "value_colors": ("var(--ink)",),
    "font_family": "inherit",
    "opacity": "1",
    "stroke_opacity": "1",
}
_DOTS = 60
_LONGEST = 160

Points = Sequence[tuple[datetime, float]]


def as_html(page: Page) -> str:
    """The page."""
    name, at = escape(page.stack.name), f"{page.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}, {at}</title><style>{_STYLE}</style></head>",
        f"<body><h1>{name}</h1><p>Seen at {at}. All times are UTC.</p>",
        *_findings(page),
        *(part for seen in page.clusters for part in _cluster(page, seen)),
        f"<h2>All of it</h2><pre>{escape(_COLOUR.sub('', as_text(page)))}</pre></body></html>",
    ]
    return "\n".join(parts)


def _findings(page: Page) -> Iterator[str]:
    if not page.findings:
        yield "<p>All is well.</p>"
        return
    yield '<ul class="findings">'
    for one in page.findings:
        what, do = escape(f"{one.where}: {one.what}."), escape(one.do)
        yield f'<li class="{one.severity.value}"><b>{one.severity.value}</b><p>{what}</p><code>{do}</code></li>'
    yield "</ul>"


def _cluster(page: Page, seen: Seen) -> Iterator[str]:
    plan, figures = seen.settings.plan, seen.server.figures
    sizes, clients = _told(seen, "status", "bytes"), _told(seen, "status", "connections")
    if figures:
        sizes, clients = [*sizes, (page.at, figures.bytes)], [*clients, (page.at, figures.connections)]
    restores = _told(seen, "drill", "rto_seconds", 1 / 60, good=True)
    none = "Nothing is known of it yet."
    name = seen.settings.name
    yield f'<h2>{escape(name)}</h2><div class="plots">'
    mib = max((number for _, number in sizes), default=0) < GIB
    scaled = [(at, number / (1 << 20 if mib else GIB)) for at, number in sizes]
    now = f"{size(sizes[-1][1])} of {plan.storage_gib} GiB" if sizes else "not known"
    yield _plot(name, f"Databases: {now}", "MiB" if mib else "GiB", scaled, none)
    now = f"{clients[-1][1]:g} of {plan.connections}" if clients else "not known"
    yield _plot(name, f"Connections: {now}", "", clients, none)
    now = f"usable after {restores[-1][1]:.1f} minutes" if restores else "none"
    drill = f"The first one is made by: trellis drill --stack {page.stack.name}"
    yield _plot(name, f"Proven restore: {now}", "min", restores, drill)
    yield _statements(seen)
    yield "</div>"


def _told(seen: Seen, kind: str, key: str, unit: float = 1, *, good: bool = False) -> Points:
    """What the records say of a figure, over time; with `good` those of what went well."""
    told = [one for one in seen.past if one.get("kind") == kind and (one.get("ok") or not good)]
    return [(one["at"], one[key] * unit) for one in told if isinstance(one.get(key), int | float)]


def _plot(cluster: str, title: str, unit: str, points: Points, none: str) -> str:
    """Points over time, from nothing on. none: what is said where there are none."""
    head = f"<figcaption>{escape(title)}</figcaption>"
    if not points:
        return f'<figure>{head}<p class="none">{escape(none)}</p></figure>'
    import pygal

    top = _round_up(max(number for _, number in points))
    times = list(dict.fromkeys(at.astimezone(UTC) for at, _ in (points[0], points[-1])))
    form = "%Y-%m-%d" if times[-1] - times[0] > timedelta(days=2) else "%Y-%m-%d %H:%M"
    chart = pygal.DateTimeLine(
        **_LOOK,
        style=pygal.style.Style(**_COLOURS),
        range=(0, top),
        y_labels=[0, top / 2, top],
        value_formatter=lambda number: f"{number:g} {unit}".strip(),
        x_labels=times,
        x_value_formatter=lambda at: f"{at.astimezone(UTC):{form}}",
        show_dots=len(points) <= _DOTS,
    )
    chart.add(None, list(points))
    drawn = _ADDED.sub("", chart.render(is_unicode=True))
    return f'<figure role="img" aria-label="{escape(f"{cluster}, {title}")}">{head}{drawn}</figure>'


def _round_up(number: float) -> float:
    """The next number of one digit: where an axis ends."""
    if number <= 0:
        return 1
    digit: float = 10 ** floor(log10(number))
    return ceil(number / digit) * digit


def _statements(seen: Seen) -> str:
    statements = [one for answers in seen.databases.values() for one in answers.statements]
    most = max((float(one["total"]) for one in statements), default=0) or 1
    rows = "".join(
        f'<li><span class="bar" style="width: {100 * float(one["total"]) / most:.1f}%"></span>'
        f"{float(one['total']):,.0f} ms <code>{escape(_short(one['statement']))}</code></li>"
        for one in statements
    )
    told = f'<ol class="bars">{rows}</ol>' if rows else '<p class="none">No statement is known.</p>'
    return f'<figure class="wide"><figcaption>Statements, by the time of all their calls</figcaption>{told}</figure>'


def _short(statement: str) -> str:
    """On one line, and of bearable length."""
    line = " ".join(statement.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
