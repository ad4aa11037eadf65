"""A run of the engine over a stack's resources, and what its events say of it."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trellis.operations.errors import OperationError
from trellis.operations.processes import run
from trellis.operations.terminal import tell
from trellis.policies.kinds import STACK

NOT_INSTALLED = "pulumi is not on PATH. In a checkout `make up` brings it, and then `. .trellis/env` puts it there."


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """How a run ended. code: its exit code, which no error leaves at 0. late: whether the engine itself ended with 0.

    planned: the steps that it was about to take, and failed: those that failed. outputs: the stack's, where the program
    came to its end. Secrets are masked.
    """

    code: int
    planned: tuple[Mapping[str, Any], ...]
    failed: tuple[Mapping[str, Any], ...]
    late: bool = False
    outputs: Mapping[str, Any] = field(default_factory=dict)


def deploy(command: str, *options: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Deployment:
    """Runs `pulumi <command>`, its output shown as it comes; once more where all was done and a plugin told it late.

    Raises OperationError where there is no pulumi, and KeyboardInterrupt as processes.run does.
    """
    done = _deploy_once(command, *options, cwd=cwd, env=env)
    if done.late:
        # On a busy machine a plugin may answer too late that it ends.
        tell("A second run tells whether all is done.")
        done = _deploy_once(command, *options, cwd=cwd, env=env)
    return done


def _deploy_once(command: str, *options: str, cwd: Path | None, env: Mapping[str, str] | None) -> Deployment:
    # pulumi knows --event-log only among its debugging commands.
    environment = {**(os.environ if env is None else env), "PULUMI_DEBUG_COMMANDS": "true"}
    with TemporaryDirectory(prefix="trellis-") as folder:
        log = Path(folder, "events")
        try:
            done = run(("pulumi", command, "--event-log", str(log), *options), cwd=cwd, env=environment)
        except FileNotFoundError as error:
            raise OperationError(NOT_INSTALLED) from error
        events = _events(log)
    planned, failed = (
        tuple(event[kind]["metadata"] for event in events if event.get(kind))
        for kind in ("resourcePreEvent", "resOpFailedEvent")
    )
    told = (event["resOutputsEvent"]["metadata"] for event in events if event.get("resOutputsEvent"))
    outputs = [step["new"].get("outputs") or {} for step in told if step["type"] == STACK and step.get("new")]
    errors = [event for event in events if (event.get("diagnosticEvent") or {}).get("severity") == "error"]
    late = done.returncode == 0 and bool(failed or errors)
    if late:
        # The engine settles its exit code before it ends its plugins. One that ended by itself is told after that.
        tell(f"error: `pulumi {command}` told of an error, see above, and ended with exit code 0. It counts as failed.")
    return Deployment(
        code=1 if late else done.returncode,
        planned=planned,
        failed=failed,
        late=late,
        outputs=outputs[-1] if outputs else {},
    )


def _events(log: Path) -> list[Mapping[str, Any]]:
    events = []
    for line in log.read_text().splitlines() if log.exists() else ():
        # An engine that is killed leaves half a line.
        with suppress(ValueError):
            events.append(json.loads(line))
    return events
