"""What the arguments ask for, and where the report goes."""

import json
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from trellis.operations.check.findings import Review
from trellis.operations.check.gate import review_chain, review_pending
from trellis.operations.check.shadow.server import Servers
from trellis.operations.check.statements import Waiver
from trellis.operations.databases import sources, standing
from trellis.operations.diagram.drawing import PERHAPS, with_changes
from trellis.operations.engine import engine_of
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.preview_report import judge
from trellis.operations.preview_report.annotations import annotations
from trellis.operations.preview_report.connections import losses
from trellis.operations.preview_report.costs import costs
from trellis.operations.preview_report.places import Places
from trellis.operations.preview_report.preview import Preview, preview
from trellis.operations.preview_report.rendering import as_markdown
from trellis.operations.preview_report.report import Report
from trellis.operations.preview_report.waived import touched
from trellis.operations.project import project
from trellis.operations.terminal import say, tell
from trellis.policies.prices import told
from trellis.settings import SettingsError, load


def run(options: Namespace) -> int:
    """Makes the report; exit code 4 when it holds the pull request up, 1 when something could not be found out."""
    engine = engine_of(options.stack, options.config_file)
    config = engine.configuration()
    if options.base is not None and not (options.base / "Pulumi.yaml").is_file():
        raise WrongCall(f"--base {options.base}: not a checkout, for it has no Pulumi.yaml.")
    path = options.policy_config or judge.settings(options.base, options.stack)
    settings = _settings(path)
    tell(f"Preview of {options.stack}, with policies ...")
    previewed = preview(engine, judge.pack(options.base), path)
    tell("Pending migrations ...")
    reviews, unread = _reviews(options, previewed)
    # As the policies have it: what the stack tells, and the pack's settings before it.
    own = json.loads(config.get("trellis:prices") or "{}")
    prices = {**told(own), **settings.get("stack", {}).get("prices", {})}
    report = Report(
        stack=options.stack,
        preview=previewed,
        reviews=reviews,
        unread=unread,
        costs=costs(previewed.steps, prices),
        losses=[step for step in losses(previewed.steps) if step.name not in options.may_delete],
        judge=[
            name
            for name in (judge.changed(options.base, Path()) if options.base else ())
            if name not in options.may_change
        ],
        settings=settings,
        waivers=_waivers(options, reviews),
        allowed=[
            *(f"`trellis:prices` tells ${usd:g} a month for `{size}`." for size, usd in own.items()),
            *(f"`{name}` may be deleted or replaced with its data." for name in options.may_delete),
            *(f"`{name}` may change, and judges what is merged after it." for name in options.may_change),
        ],
        places=Places(project(), options.stack, config.get("trellis:system", "")),
        diagram=_diagram(options.stack, config, previewed),
    )
    text = json.dumps(report.to_dict()) + "\n" if options.json else as_markdown(report)
    if options.output is None:
        say(text.rstrip("\n"))
    else:
        options.output.write_text(text)
    if os.environ.get("GITHUB_ACTIONS"):
        for one in annotations(report):
            tell(one)
    return report.exit_code


def _settings(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise WrongCall(f"--policy-config {path}: {error}. A JSON object is wanted, policy -> settings.") from None


def _waivers(options: Namespace, reviews: Sequence[tuple[str, Review]]) -> Sequence[Waiver]:
    found = [waiver for _, review in reviews for waiver in review.waivers]
    if options.base is not None:
        # Also of a database that could not be reached.
        with suppress(OperationError):
            found += touched(sources(options), options.base)
    return list(dict.fromkeys(found))


def _diagram(stack: str, config: Mapping[str, str], previewed: Preview) -> str | None:
    changes = {
        (step.type, step.name): (step.operation or "") if step.certain else PERHAPS for step in previewed.changes
    }
    try:
        return with_changes(load(config, project(), stack=stack), changes)
    except SettingsError:
        # The preview has said so.
        return None


def _reviews(options: Namespace, previewed: Preview) -> tuple[Sequence[tuple[str, Review]], Sequence[str]]:
    """The reviews of what is pending, and why one is missing.

    A database that is not deployed cannot be asked, and every file of it is pending.
    """
    reviews: list[tuple[str, Review]] = []
    unread: list[str] = []

    def add(name: str, review: Callable[[], Review]) -> None:
        # What is wrong with one hides no other.
        try:
            reviews.append((name, review()))
        except OperationError as error:
            unread.append(str(error))

    deployed = any(step.old for step in previewed.steps)
    try:
        with (
            nullcontext() if options.no_shadow else Servers(options.postgresql) as servers,
            standing(options) if deployed else nullcontext(((), sources(options))) as (databases, new),
        ):
            for database in databases:
                add(database.name, partial(review_pending, database, servers))
            for one in new:
                add(one.name, partial(review_chain, one, None, servers))
    except OperationError as error:
        unread.append(str(error))
    return reviews, unread
