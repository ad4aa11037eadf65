"""Prints every benchmark of the project. Each line is a ratio of two medians from this run."""

import argparse
import os

from bench import api, databases, migrations, policies, preview, start
from tools import command
from trellis.development.bring import bring
from trellis.operations.processes import guard, sweep


def main() -> int:
    """Runs the benchmarks one after another."""
    argparse.ArgumentParser(prog="python -m bench", description=__doc__, epilog=command.EXIT_CODES).parse_args()
    parts = bring()
    with guard(os.environ) as mark:
        try:
            preview.run(parts)
            start.run(parts)
            api.run(parts)
            databases.run(parts)
            migrations.run()
            policies.run(parts)
        finally:
            sweep(mark)
    return 0


if __name__ == "__main__":
    command.run(main)
