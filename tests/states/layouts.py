"""The recorded states: tests/states/<layout>/<case>.json, and what a case brings up."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.stacks.harness import LocalStack, local_stack
from tests.states.checkpoint import Deployment
from tools import ROOT
from trellis.development.bring import Parts

FOLDER = Path(__file__).parent

# A case is named after its stack, and what it is given beyond the committed file comes after a dot.
BEYOND: dict[str, dict[str, Any]] = {"freshtrack.self-hosted": {"mode": "self-hosted"}}
WITH_FILES = ("freshtrack", "freshtrack.self-hosted")


@contextlib.contextmanager
def brought_up(parts: Parts, case: str, root: Path = ROOT) -> Iterator[LocalStack]:
    """The case's stack, deployed by the program in `root` on a local cloud of its own."""
    with local_stack(parts, case.partition(".")[0], root, **BEYOND.get(case, {})) as stack:
        if case in WITH_FILES:
            stack.configure(connectionFiles=str(stack.workspace.folder / "files"))
        stack.must("up", "--yes", "--skip-preview")
        yield stack


def deployment(stack: LocalStack) -> Deployment:
    """The stack's state. Secrets are encrypted."""
    return dict(json.loads(stack.state())["checkpoint"]["latest"])


def cases() -> dict[str, list[str]]:
    """Case -> the layouts it is recorded in, the oldest first."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("*/*.json")):
        found.setdefault(path.stem, []).append(path.parent.name)
    return found


def load(layout: str, case: str) -> Deployment:
    """One recorded state."""
    return dict(json.loads((FOLDER / layout / f"{case}.json").read_text()))
