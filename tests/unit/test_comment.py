"""One comment, updated: against an HTTP server that answers as GitHub's API does."""

from collections.abc import Iterator

import pytest

from tests.workflows.github import BOT, OWNERS, REPOSITORY, GitHub, serving
from tools.comment import PAGE, write
from trellis.operations.errors import OperationError

OF_A_JOB, OF_A_PERSON = OWNERS
MARKER = "<!-- trellis preview-report: prod -->"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving() as github:
        yield github


def _write(github: GitHub, text: str, token: str = OF_A_JOB) -> str:
    graphql = f"{github.address}/graphql"
    return write(text, 7, api=github.address, graphql=graphql, repository=REPOSITORY, token=token)


@pytest.mark.parametrize("token", [OF_A_JOB, OF_A_PERSON], ids=["of a job", "of a person"])
def test_a_comment_is_written_once_and_then_anew(github: GitHub, token: str) -> None:
    github.add(7, f"I quote {MARKER}")
    github.add(7, "<!-- trellis preview-report: dev -->\n")
    assert _write(github, f"{MARKER}\nfirst\n", token) == "new"
    assert _write(github, f"{MARKER}\nsecond\n", token) == "old"
    assert github.texts(7)[2:] == [f"{MARKER}\nsecond\n"]
    assert [(method, whose) for method, whose, _ in github.calls] == [("POST", token), ("PATCH", token)]


def test_it_is_found_on_a_later_page(github: GitHub) -> None:
    for _ in range(PAGE):
        github.add(7, "chat")
    github.add(7, f"{MARKER}\r\nold")
    assert _write(github, f"{MARKER}\nnew\n") == "old"
    assert github.texts(7)[-1] == f"{MARKER}\nnew\n"


@pytest.mark.parametrize("author", ["mallory", "github-actions", BOT.upper(), None])
def test_one_of_somebody_else_that_looks_the_same_is_left_alone(github: GitHub, author: str | None) -> None:
    fake = f"{MARKER}\n\nNothing to object to.\n"
    github.add(7, fake, author)
    assert _write(github, f"{MARKER}\nNot to be merged like this.\n") == "new"
    assert github.texts(7) == [fake, f"{MARKER}\nNot to be merged like this.\n"]


def test_a_token_that_is_refused(github: GitHub) -> None:
    with pytest.raises(OperationError, match="POST /graphql answered 401"):
        _write(github, f"{MARKER}\n", "stolen")
