"""Prints every benchmark of the project. Each line is a ratio of two medians from this run."""

import sys

from bench import databases, migrations, policies, preview, start
from tools.bring import bring
from tools.progress import Failure


def main() -> int:
    """Runs the benchmarks one after another."""
    try:
        parts = bring()
        preview.run(parts)
        start.run(parts)
        databases.run(parts)
        migrations.run()
        policies.run(parts)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
