"""What the arguments ask for, and where the result goes."""

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext

from trellis.operations.check.findings import Review
from trellis.operations.check.gate import review_chain, review_pending
from trellis.operations.check.rendering import as_markdown, as_text
from trellis.operations.check.shadow.server import Servers
from trellis.operations.databases import opened, sources
from trellis.operations.terminal import say, tell


def run(options: Namespace) -> int:
    """Reviews the files that the arguments name; exit code 1 when a finding is an error."""
    with nullcontext() if options.no_shadow else Servers(options.postgresql) as servers:
        reviews = _reviews(options, servers)
    if options.json:
        say(json.dumps(_values(reviews)))
    else:
        say((as_markdown if options.markdown else as_text)(reviews))
    return 1 if any(one.errors for _, one in reviews) else 0


def _reviews(options: Namespace, servers: Servers | None) -> Sequence[tuple[str, Review]]:
    if options.all or options.since is not None or (options.folder is not None and options.url is None):
        if options.folder is not None and not options.all and options.since is None:
            tell("No database is named, so every file counts as pending. --since VERSION narrows that.")
        return [(one.name, review_chain(one, options.since, servers)) for one in sources(options)]
    with opened(options) as (databases, warnings):
        for warning in warnings:
            tell(f"warning: {warning}")
        return [(one.name, review_pending(one, servers)) for one in databases]


def _values(reviews: Sequence[tuple[str, Review]]) -> dict[str, object]:
    return {
        "command": "check",
        "ok": not any(one.errors for _, one in reviews),
        "databases": [{"database": name, **one.to_dict()} for name, one in reviews],
    }
