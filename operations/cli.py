"""Parses the command line."""

import argparse
import sys
from pathlib import Path

from operations.errors import OperationError
from operations.recover import recover


def main() -> int:
    """Runs one command. Exit code 0 when it worked, 1 with a plain error when it did not, 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="trellis", description="Day-2 work on a Trellis stack.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    recovering = commands.add_parser(
        "recover",
        help="finish what a killed `pulumi up` left open",
        description="Takes what an interrupted `pulumi up` had created, but not yet recorded, into the stack's state. "
        "Does nothing when nothing is open. Needs the credentials that `pulumi up` needs.",
    )
    recovering.add_argument("--stack", required=True, help="the stack's name, for example dev")
    recovering.add_argument(
        "--config-file", type=Path, help="the stack's config file, where it is not Pulumi.<stack>.yaml"
    )
    arguments = parser.parse_args()
    try:
        recover(arguments.stack, arguments.config_file)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
