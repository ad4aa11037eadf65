"""Records a release's states: brings each case up on two local clouds side by side and writes what they share.

`python -m tests.states.record 0.1 dev tudao`; with --program for a checkout of another commit.
"""

import argparse
import contextlib
import json
from pathlib import Path

from tests.states.checkpoint import recorded
from tests.states.layouts import FOLDER, brought_up, deployment
from tools import ROOT
from trellis.development.bring import bring


def main() -> None:
    """Records one layout."""
    parser = argparse.ArgumentParser(prog="python -m tests.states.record", description=__doc__)
    parser.add_argument("--program", type=Path, default=ROOT, help="the checkout to record (default: this one)")
    parser.add_argument("layout", help="a folder of tests/states, for example the version")
    parser.add_argument("cases", nargs="+", help="stacks, see layouts.py")
    arguments = parser.parse_args()
    parts = bring()
    for case in arguments.cases:
        with contextlib.ExitStack() as stacks:
            first, second = (
                deployment(stacks.enter_context(brought_up(parts, case, arguments.program.resolve()))) for _ in range(2)
            )
        path = FOLDER / arguments.layout / f"{case}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(recorded(first, second), indent=1) + "\n")


if __name__ == "__main__":
    main()
