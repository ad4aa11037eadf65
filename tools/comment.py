"""Writes a file as a comment of a pull request on GitHub, over the one of an earlier run where there is one.

The file's first line is what a comment is known by. GITHUB_TOKEN needs the right to write pull requests.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from tools import command
from trellis.operations.api import Api

PAGE = 100


def write(text: str, pull_request: int, *, api: str, repository: str, token: str) -> str:
    """Puts the comment there; returns its address. Raises OperationError when GitHub refuses."""
    github = Api(base=f"{api}/repos/{repository}/issues", token=token)

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return github.call(method, f"/{path}", body)

    first = text.partition("\n")[0]
    page, known = 1, None
    while known is None:
        comments = ask("GET", f"{pull_request}/comments?per_page={PAGE}&page={page}")
        known = next((one["id"] for one in comments if one["body"].partition("\n")[0].rstrip("\r") == first), None)
        if len(comments) < PAGE:
            break
        page += 1
    if known is None:
        return str(ask("POST", f"{pull_request}/comments", {"body": text})["html_url"])
    return str(ask("PATCH", f"comments/{known}", {"body": text})["html_url"])


def main() -> int:
    """Reads the file and the environment that GitHub Actions gives."""
    parser = argparse.ArgumentParser(prog="python -m tools.comment", description=__doc__, epilog=command.EXIT_CODES)
    parser.add_argument("--pull-request", type=int, required=True, metavar="NUMBER")
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    address = write(
        options.file.read_text(),
        options.pull_request,
        api=os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        repository=os.environ["GITHUB_REPOSITORY"],
        token=os.environ["GITHUB_TOKEN"],
    )
    print(address)
    return 0


if __name__ == "__main__":
    command.run(main)
