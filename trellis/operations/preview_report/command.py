"""What the arguments ask for, and where the report goes."""

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from trellis.operations.check.findings import Review
from trellis.operations.check.gate import review_chain, review_pending
from trellis.operations.check.shadow.server import Servers
from trellis.operations.databases import opened, sources
from trellis.operations.diagram.drawing import PERHAPS, with_changes
from trellis.operations.engine import Engine
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.preview_report.connections import losses
from trellis.operations.preview_report.costs import costs
from trellis.operations.preview_report.preview import Preview, preview
from trellis.operations.preview_report.rendering import as_markdown
from trellis.operations.preview_report.report import Report
from trellis.operations.project import project
from trellis.operations.terminal import say, tell
from trellis.policies.rules import GROWN
from trellis.settings import SettingsError, load


def run(options: Namespace) -> int:
    """Makes the report; exit code 4 when it holds the pull request up, 1 when something could not be found out."""
    engine = Engine(options.stack, options.config_file)
    config = engine.configuration()
    own = Path(f"policies.{options.stack}.json")
    path = options.policy_config or (own if own.is_file() else None)
    settings = _settings(path)
    tell(f"Preview of {options.stack}, with policies ...")
    previewed = preview(engine, path)
    tell("Pending migrations ...")
    reviews, unread = _reviews(options, previewed)
    kept = config.get("trellis:phase") in GROWN and config.get("trellis:protect") != "never"
    # As the policies have it: what the stack tells, and the pack's settings before it.
    prices = {**json.loads(config.get("trellis:prices") or "{}"), **settings.get("stack", {}).get("prices", {})}
    report = Report(
        stack=options.stack,
        preview=previewed,
        reviews=reviews,
        unread=unread,
        costs=costs(previewed.steps, prices),
        losses=losses(previewed.changes) if kept else [],
        diagram=_diagram(options.stack, config, previewed),
    )
    text = json.dumps(report.to_dict()) + "\n" if options.json else as_markdown(report)
    if options.output is None:
        say(text.rstrip("\n"))
    else:
        options.output.write_text(text)
    return report.exit_code


def _settings(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise WrongCall(f"--policy-config {path}: {error}. A JSON object is wanted, policy -> settings.") from None


def _diagram(stack: str, config: Mapping[str, str], previewed: Preview) -> str | None:
    changes = {
        (step.type, step.name): (step.operation or "") if step.certain else PERHAPS for step in previewed.changes
    }
    try:
        return with_changes(load(config, project(), stack=stack), changes)
    except SettingsError:
        # The preview has said so.
        return None


def _reviews(options: Namespace, previewed: Preview) -> tuple[Sequence[tuple[str, Review]], str | None]:
    """The reviews of what is pending, and why there are none.

    A stack that is not deployed has no database to ask, and every file is pending.
    """
    deployed = any(step.old for step in previewed.steps)
    try:
        with nullcontext() if options.no_shadow else Servers(options.postgresql) as servers:
            if not deployed:
                return [(one.name, review_chain(one, None, servers)) for one in sources(options)], None
            with opened(options) as (databases, _):
                return [(one.name, review_pending(one, servers)) for one in databases], None
    except OperationError as error:
        return [], str(error)
