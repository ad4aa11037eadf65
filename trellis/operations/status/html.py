"""A look as one page that needs nothing else: no script, no style and no picture from elsewhere."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from trellis.operations.status.judging import GIB
from trellis.operations.status.look import Page, Seen
from trellis.operations.status.page import as_text

if TYPE_CHECKING:
    import pygal

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
pre { background: #f6f6f6; padding: 1rem; overflow-x: auto; font-size: 13px }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .6rem; vertical-align: top }
tr { border-top: 1px solid #ddd } .critical { color: #b00020; font-weight: 600 } .warning { color: #9a6700 }
.note { color: #666 } .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem }
"""
# pygal adds a script for its tooltips, and says who made it in comments.
_COLOUR = re.compile(r"\x1b\[\d+m")
_ADDED = re.compile(r"<script\b.*?</script>|<!--.*?-->", re.DOTALL)
_WIDTH, _HEIGHT = 640, 320
_LONGEST = 60

Points = Sequence[tuple[datetime, float]]


def as_html(page: Page) -> str:
    """The page."""
    title = f"{page.stack.name}, {page.at:%Y-%m-%d %H:%M} UTC"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>",
        *_findings(page),
        *(part for seen in page.clusters for part in _cluster(seen, page.at)),
        f"<h2>All of it</h2><pre>{escape(_COLOUR.sub('', as_text(page)))}</pre></body></html>",
    ]
    return "\n".join(parts)


def _findings(page: Page) -> Iterator[str]:
    if not page.findings:
        yield "<p>All is well.</p>"
        return
    yield "<table><tr><th></th><th>where</th><th>what</th><th>what to do</th></tr>"
    for one in page.findings:
        cells = (one.severity.value, one.where, one.what, one.do)
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        yield f'<tr class="{one.severity.value}">{row}</tr>'
    yield "</table>"


def _cluster(seen: Seen, at: datetime) -> Iterator[str]:
    yield f'<h2>{escape(seen.settings.name)}</h2><div class="plots">'
    storage, connections = seen.settings.plan.storage_gib, seen.settings.plan.connections
    sizes, clients = _told(seen, "status", "bytes", 1 / GIB), _told(seen, "status", "connections")
    if figures := seen.server.figures:
        sizes, clients = [*sizes, (at, figures.bytes / GIB)], [*clients, (at, figures.connections)]
    yield _over_time(f"Size, GiB of {storage}", "databases", sizes)
    yield _over_time(f"Connections of {connections}", "clients", clients)
    yield _over_time("Proven restores, minutes", "until usable", _told(seen, "drill", "rto_seconds", 1 / 60))
    yield _statements(seen)
    yield "</div>"


def _told(seen: Seen, kind: str, key: str, unit: float = 1) -> Points:
    """What the records say of a figure, over time."""
    told = [one for one in seen.past if one.get("kind") == kind and isinstance(one.get(key), int | float)]
    return [(one["at"], one[key] * unit) for one in told]


def _over_time(title: str, name: str, points: Points) -> str:
    import pygal

    chart = pygal.DateTimeLine(**_options(title), x_value_formatter=lambda at: f"{at:%Y-%m-%d}")
    chart.add(name, list(points))
    return _drawn(chart)


def _statements(seen: Seen) -> str:
    import pygal

    chart = pygal.HorizontalBar(**_options("Statements by total time, ms"))
    for answers in seen.databases.values():
        for one in answers.statements:
            chart.add(one["statement"][:_LONGEST], [float(one["total"])])
    return _drawn(chart)


def _options(title: str) -> dict[str, Any]:
    return {
        "title": title,
        "js": (),
        "disable_xml_declaration": True,
        "width": _WIDTH,
        "height": _HEIGHT,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 1,
        "truncate_legend": _LONGEST,
        "value_formatter": "{:,.1f}".format,
        "no_data_text": "Nothing yet",
    }


def _drawn(chart: "pygal.Graph") -> str:
    return _ADDED.sub("", str(chart.render(is_unicode=True)))
