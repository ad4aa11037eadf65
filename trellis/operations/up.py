"""`pulumi up` with what belongs around it: what earlier runs left open, data that must stay, and the fallback."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from trellis.operations.arguments import WHOLE_STACK
from trellis.operations.deployment import Deployment, deploy
from trellis.operations.engine import engine_of
from trellis.operations.errors import OperationError
from trellis.operations.ownership import Clouds
from trellis.operations.processes import run as run_command
from trellis.operations.project import project
from trellis.operations.recover import finish, take_in
from trellis.operations.rotation import changed_logins
from trellis.operations.terminal import tell
from trellis.policies.kinds import CLUSTER, DATA, POSTGRESQL

SELF_HOSTED = "self-hosted"
# What depends on something lost comes to light when that is taken in: a network, a cluster in it, a user of that, …
ROUNDS = 10


def run(options: Namespace) -> int:
    """The subcommand `up`; returns pulumi's exit code."""
    return whole(options).code


def whole(options: Namespace) -> Deployment:
    """The same; the run that came last."""
    engine = engine_of(options.stack, options.config_file)
    clouds = Clouds(engine)
    # Each is a program that the other one need not wait for.
    with ThreadPoolExecutor() as threads:
        config = threads.submit(lambda: clouds.config)
        state = engine.state(secrets=True)
    config.result()
    finish(clouds, state)
    made = state.get("resources") or []
    if changed := changed_logins(clouds, made):
        engine.refresh(changed)
    holds_data = any(map(_holds_data, made))
    if holds_data and clouds.config.get("trellis:environment") != "development":
        plan = _deploy("preview", options)
        if plan.code:
            return plan
        _refuse_loss(plan.planned, options.may_delete)
    if holds_data and clouds.config.get("trellis:backupBefore") == "true":
        _back_up(options)
    done = _deploy_whole(clouds, options)
    failed = [_name(step["urn"]) for step in done.failed if _is_new_cluster(step)]
    # Where there is data, another mode would leave it behind.
    if done.code == 0 or not failed or holds_data or clouds.config.get("trellis:fallback") != SELF_HOSTED:
        return done
    return _fall_back(clouds, options, failed)


def carry_out(options: Namespace, may_delete: Sequence[str] = ()) -> None:
    """The same as a step of another command, whose stack and config file it takes. Raises OperationError."""
    given = Namespace(stack=options.stack, config_file=options.config_file, may_delete=list(may_delete), pulumi=[])
    if run(given):
        raise OperationError("The deployment failed, see above. The same command goes on where it ended.")


def _back_up(options: Namespace) -> None:
    """Makes a backup where migrations are pending. Raises OperationError where it fails: then nothing is deployed."""
    from trellis.migrator import MigrationError
    from trellis.migrator import Options as How
    from trellis.operations.backup.command import before_migrations
    from trellis.operations.databases import standing

    which = Namespace(stack=options.stack, config_file=options.config_file, **WHOLE_STACK)
    try:
        with standing(which) as (databases, _):
            before_migrations(options.stack, options.config_file, databases, How())
    except MigrationError as error:
        raise OperationError(f"no backup before the migrations, so nothing is deployed: {error.message}") from None


def _fall_back(clouds: Clouds, options: Namespace, failed: Iterable[str]) -> Deployment:
    """Deploys in the mode self-hosted from here on; an exit code of 0 where nobody has to be told of it."""
    engine = clouds.engine
    # The state first: a later run with another mode is refused, whatever becomes of the file.
    engine.record_mode(SELF_HOSTED)
    engine.set_config("trellis:mode", SELF_HOSTED)
    tell(
        f"warning: DigitalOcean did not make the managed cluster {', '.join(failed)}; the reason stands above. "
        "trellis:fallback is self-hosted, so the run goes on with a Droplet. "
        f"trellis:mode of the stack {options.stack} is self-hosted from now on."
    )
    done = _deploy_whole(clouds, options)
    file = options.config_file or project() / f"Pulumi.{options.stack}.yaml"
    if not _has_to_be_committed(file):
        return done
    tell(
        f"error: {file.name} was changed by this run: it says trellis:mode: {SELF_HOSTED} now, and the file under "
        f"version control does not. Commit it: git commit -m 'trellis:mode is {SELF_HOSTED}' {file.name}\n"
        "The stack remembers its mode: with the old file previews, checks and deployments fail, and delete nothing."
    )
    return replace(done, code=done.code or 1)


def _has_to_be_committed(file: Path) -> bool:
    """Whether a change of this file is lost unless somebody commits it."""
    if os.environ.get("CI"):
        return True
    try:
        listed = run_command(("git", "ls-files", "--error-unmatch", file.name), cwd=file.parent, capture=True)
    except FileNotFoundError:
        return False
    return listed.returncode == 0


def _deploy_whole(clouds: Clouds, options: Namespace) -> Deployment:
    """Deploys, and goes on with what was made although its create failed: its answer was lost, now or earlier."""
    done = _up(options)
    for _ in range(ROUNDS):
        if done.code == 0 or not take_in(clouds, done.failed):
            break
        done = _up(options)
    return done


def _up(options: Namespace) -> Deployment:
    # A database whose migration fails must not hide what another one's says.
    return _deploy("up", options, "--yes", "--skip-preview", "--continue-on-error")


def _deploy(command: str, options: Namespace, *how: str) -> Deployment:
    color = "always" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "never"
    config = ["--config-file", str(options.config_file)] if options.config_file else []
    own = ("--non-interactive", "--color", color, "--stack", options.stack)
    return deploy(command, *how, *own, *config, *options.pulumi)


def _refuse_loss(planned: Iterable[Mapping[str, Any]], allowed: Iterable[str]) -> None:
    """Raises OperationError where a plan deletes or replaces what holds data and nobody has said that it may."""
    lost = {
        _name(step["urn"])
        for step in planned
        if ("delete" in step["op"] or "replace" in step["op"]) and _holds_data(step.get("old") or step)
    }
    if refused := sorted(lost - set(allowed)):
        raise OperationError(
            f"this would delete or replace {', '.join(refused)}, with all data in it. Nothing was changed. Where that "
            f"is meant, say so: {' '.join(f'--may-delete {name}' for name in refused)}"
        )


def _holds_data(resource: Mapping[str, Any]) -> bool:
    # What a cache holds can be lost.
    return resource["type"] in DATA and (resource.get("inputs") or {}).get("engine") != "valkey"


def _is_new_cluster(step: Mapping[str, Any]) -> bool:
    # A cluster that exists holds data: a change of it that fails is no reason to leave it.
    engine = ((step.get("new") or {}).get("inputs") or {}).get("engine")
    return step["type"] == CLUSTER and step["op"] == "create" and engine in POSTGRESQL


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
