"""The subcommand `rotate`."""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.records import append
from trellis.operations.rotate.sessions import QUIET_SECONDS, arrive
from trellis.operations.rotate.stack import Reached, Stack, Turn
from trellis.operations.terminal import say, tell

KIND = "rotation"


def run(options: Namespace) -> int:
    """Changes passwords, or says what would be done; returns the exit code."""
    stack = Stack(options)
    turns = _chosen(stack)
    stack.refuse_what_cannot_be(turns)
    if options.dry_run:
        _tell_steps(stack, turns)
        return 0
    stack.ask(turns)
    began = time.monotonic()
    with _engine_aside(options):
        if turns:
            _change_over(stack, turns)
        if options.administrator:
            _administrators(stack)
    for turn in turns:
        _record(stack, turn.role, turn.clusters, login=turn.wanted)
    for cluster in stack.settings.clusters if options.administrator else ():
        _record(stack, "administrator", [cluster.name], login=stack.administrator(cluster))
    names = [*(turn.role for turn in turns), *(["the administrator"] if options.administrator else ())]
    if options.json:
        seconds = round(time.monotonic() - began, 1)
        logins = [{"role": turn.role, "login": turn.wanted, "clusters": list(turn.clusters)} for turn in turns]
        say(json.dumps({"ok": True, "logins": logins, "administrator": options.administrator, "seconds": seconds}))
    else:
        say(f"{', '.join(names)}: the password is another one, and the old one is worth nothing.")
    stack.remind_to_commit(turns)
    return 0


def _chosen(stack: Stack) -> Sequence[Turn]:
    options, known = stack.options, stack.roles()
    if not (options.users or options.all or options.administrator):
        raise WrongCall(f"Whose password? Name one of {', '.join(known)}, or say --all or --administrator.")
    if unknown := [user for user in options.users if user not in known]:
        raise WrongCall(f"The stack {options.stack!r} has no login {unknown[0]!r}. Known: {', '.join(known)}.")
    return [stack.turn(role) for role in known if options.all or role in options.users]


def _tell_steps(stack: Stack, turns: Sequence[Turn]) -> None:
    steps = [step for turn in turns for step in turn.steps()]
    if stack.options.administrator:
        steps += [f"{stack.administrator(one)} of {one.name}: reset it, and deploy" for one in stack.settings.clusters]
    if stack.options.json:
        say(json.dumps({"ok": True, "steps": steps}))
        return
    for number, step in enumerate(steps, 1):
        say(f"{number}. {step}")
    say("Nothing was changed.")


def _change_over(stack: Stack, turns: Sequence[Turn]) -> None:
    opened = [turn for turn in turns if not turn.closing]
    if opened:
        _open(stack, opened)
        with stack.reached() as reached:
            _try(reached, opened)
            _wait_for_quiet(reached, opened, stack.options)
        for turn in opened:
            stack.reset(turn, turn.old)
        stack.write(opened, changing="closing")
    stack.deploy()
    with stack.reached() as reached:
        for turn in turns:
            _end_sessions(reached, turn)
    stack.write(turns, changing=None)


def _open(stack: Stack, turns: Sequence[Turn]) -> None:
    new = [turn for turn in turns if not turn.begun]
    for turn in new:
        # It was reset when it was used last, and lay in the state since.
        stack.reset(turn, turn.wanted)
        tell(f"{turn.role}: changes over from {turn.old} to {turn.wanted}")
    if new:
        stack.write(new, changing="both")
    stack.deploy()


def _try(reached: Reached, turns: Sequence[Turn]) -> None:
    for turn in turns:
        for target in reached.ways(turn):
            arrive(target, turn.role)
        tell(f"{turn.wanted}: works by every way")


def _wait_for_quiet(reached: Reached, turns: Sequence[Turn], options: Namespace) -> None:
    """Raises OperationError where somebody goes on using an old login."""
    until, told = time.monotonic() + options.wait, False
    nodes = [(turn.old, one) for turn in turns for one in reached.nodes(turn)]
    while users := [f"{old}: {user}" for old, one in nodes for user in one.users_of(old)]:
        if options.force:
            tell(f"warning: still used, and reset all the same: {'; '.join(users)}")
            return
        if time.monotonic() > until:
            raise OperationError(
                f"An old login is still used, and was not reset. Both work. {'; '.join(users)}. Give them the new one "
                "(outputs and connection files hold it), and run the same command again; or say --force."
            )
        if not told:
            tell(f"waits until nobody has used the old login for {QUIET_SECONDS} s: {'; '.join(users)}")
            told = True
        time.sleep(1)


def _end_sessions(reached: Reached, turn: Turn) -> None:
    for nodes in reached.nodes(turn):
        try:
            if ended := nodes.end_sessions_of(turn.old):
                tell(f"{turn.old}: {ended} sessions on {nodes.cluster} were still open, and were ended")
        except OperationError as error:
            tell(f"warning: sessions of {turn.old} on {nodes.cluster} could not be ended: {error}")


def _administrators(stack: Stack) -> None:
    for cluster in stack.settings.clusters:
        stack.reset_administrator(cluster)
        tell(f"{stack.administrator(cluster)} of {cluster.name}: reset")
    stack.deploy()


def _record(stack: Stack, role: str, clusters: Sequence[str], *, login: str) -> None:
    for cluster in clusters:
        append(stack.options.stack, kind=KIND, cluster=cluster, ok=True, role=role, login=login)


@contextmanager
def _engine_aside(options: Namespace) -> Iterator[Any]:
    """With --json the engine's own words go to stderr: stdout has the result alone."""
    if not options.json:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
