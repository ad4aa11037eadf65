"""The subcommand `status`."""

import json
import sys
import time
from argparse import Namespace
from datetime import timedelta
from pathlib import Path

from trellis.monitoring.findings import Severity
from trellis.operations import records
from trellis.operations.errors import OperationError
from trellis.operations.status import history
from trellis.operations.status.look import Page, Stack, look, opened
from trellis.operations.status.metrics import as_metrics
from trellis.operations.status.page import as_text, as_values
from trellis.operations.terminal import say, tell
from trellis.writing import replace

WARNINGS = 5
CRITICAL = 6

_CODES = {None: 0, Severity.NOTE: 0, Severity.WARNING: WARNINGS, Severity.CRITICAL: CRITICAL}
# Growth is told from records that need not be closer together.
_RECORDED = timedelta(hours=1)
# Seconds after which the stack is read again, and its files with it. What does not answer is a reason too: its password
# or its address may be another one by now.
_READ_AGAIN = 600
_MAY_HAVE_CHANGED = {"unreachable", "not-watched"}
_CLEARED = "\x1b[H\x1b[2J\x1b[3J"


def run(options: Namespace) -> int:
    """Shows how a stack is; the exit code tells the worst that was found."""
    while True:
        with opened(options) as stack:
            until = time.monotonic() + _READ_AGAIN
            while True:
                page = look(stack, grants=options.grants, postgresql=options.postgresql)
                _show(page, options)
                if options.watch is None:
                    return _CODES[page.worst]
                time.sleep(options.watch)
                if time.monotonic() >= until or _MAY_HAVE_CHANGED & {one.name for one in page.findings}:
                    break


def _show(page: Page, options: Namespace) -> None:
    _record(page.stack, page)
    if options.html is not None:
        from trellis.operations.status.html import as_html

        _write(options.html, as_html(page))
    if options.metrics is not None:
        _write(options.metrics, as_metrics(page))
    if options.watch is not None and sys.stdout.isatty():
        sys.stdout.write(_CLEARED)
    say(json.dumps(as_values(page)) if options.json else as_text(page))


def _write(file: Path, text: str) -> None:
    try:
        replace(file, text)
    except OSError as error:
        raise OperationError(f"{file} cannot be written: {error.strerror}.") from None


def _record(stack: Stack, page: Page) -> None:
    """Writes sizes down, so that a later look can tell how they grow."""
    for seen in page.clusters:
        figures, before = seen.server.figures, history.last(seen.past, "status")
        if figures and not (before and page.at - before["at"] < _RECORDED):
            well = not any(one.where.startswith(seen.settings.name) for one in page.findings if one.severity.rank)
            told = {"bytes": figures.bytes, "connections": figures.connections}
            try:
                records.append(stack.name, kind="status", cluster=seen.settings.name, ok=well, **told)
            except OSError as error:
                tell(f"warning: sizes were not written down, so growth cannot be told later: {error}")
