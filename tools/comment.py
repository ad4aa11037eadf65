"""Writes a file as a comment of a pull request on GitHub, over the one of an earlier run where there is one.

The file's first line, and who wrote it, is what a comment is known by. GITHUB_TOKEN needs the right to write
pull requests.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from tools import command
from trellis.operations.api import Api
from trellis.operations.errors import OperationError

PAGE = 100


def write(text: str, pull_request: int, *, api: str, graphql: str, repository: str, token: str) -> str:
    """Puts the comment there; returns its address. Raises OperationError when GitHub refuses."""
    github = Api(base=f"{api}/repos/{repository}/issues", token=token)
    me, first = _login(graphql, token), text.partition("\n")[0]

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return github.call(method, f"/{path}", body)

    def mine(comment: dict[str, Any]) -> bool:
        # Anybody can write the same first line, and would be believed under the name that edited it.
        author = (comment["user"] or {}).get("login")
        return author == me and comment["body"].partition("\n")[0].rstrip("\r") == first

    page, known = 1, None
    while known is None:
        comments = ask("GET", f"{pull_request}/comments?per_page={PAGE}&page={page}")
        known = next((one["id"] for one in comments if mine(one)), None)
        if len(comments) < PAGE:
            break
        page += 1
    if known is None:
        return str(ask("POST", f"{pull_request}/comments", {"body": text})["html_url"])
    return str(ask("PATCH", f"comments/{known}", {"body": text})["html_url"])


def _login(graphql: str, token: str) -> str:
    """Who a token writes as. The REST API tells that of a person's alone, this one of a job's, too."""
    server, _, path = graphql.rpartition("/")
    found = Api(base=server, token=token).call("POST", f"/{path}", {"query": "{viewer{login}}"}) or {}
    if not found.get("data"):
        raise OperationError(f"GitHub does not say whom GITHUB_TOKEN belongs to: {found.get('errors')}")
    return str(found["data"]["viewer"]["login"])


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
        graphql=os.environ.get("GITHUB_GRAPHQL_URL", "https://api.github.com/graphql"),
        repository=os.environ["GITHUB_REPOSITORY"],
        token=os.environ["GITHUB_TOKEN"],
    )
    print(address)
    return 0


if __name__ == "__main__":
    command.run(main)
