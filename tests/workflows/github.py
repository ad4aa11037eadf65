"""GitHub's API as far as our programs ask it: the comments of a pull request, and who a token belongs to."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "ada/shop"
BOT = "github-actions[bot]"
# Token -> login: of a job, and of a person.
OWNERS = {"t0": BOT, "p0": "ada"}
_COMMENTS = re.compile(rf"/repos/{REPOSITORY}/issues/(\d+)/comments")
_COMMENT = re.compile(rf"/repos/{REPOSITORY}/issues/comments/(\d+)")


class GitHub:
    """Comments by pull request, and every call that changed one: its method, its token and the text."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.calls: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()
        self._numbers = iter(range(1000, 10**9))

    def add(self, pull_request: int, body: str, author: str | None = BOT) -> dict[str, Any]:
        """A comment, of somebody whose account may be gone."""
        with self._lock:
            comment = {"id": next(self._numbers), "body": body, "user": None if author is None else {"login": author}}
            self.comments.setdefault(pull_request, []).append(comment)
        return comment

    def texts(self, pull_request: int) -> list[str]:
        """The comments of a pull request."""
        return [one["body"] for one in self.comments.get(pull_request, [])]

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of an answer, in GitHub's words."""
        login, address = OWNERS.get(token), urlsplit(path)
        if login is None:
            return 401, {"message": "Bad credentials"}
        if (method, address.path) == ("POST", "/graphql"):
            assert body == {"query": "{viewer{login}}"}
            return 200, {"data": {"viewer": {"login": login}}}
        if address.path == "/user" and login.endswith("[bot]"):
            return 403, {"message": "Resource not accessible by integration"}
        if found := _COMMENTS.fullmatch(address.path):
            return self._comments(method, int(found[1]), parse_qs(address.query), login, body, token)
        if (found := _COMMENT.fullmatch(address.path)) and method == "PATCH":
            every = [one for comments in self.comments.values() for one in comments]
            (comment,) = [one for one in every if one["id"] == int(found[1])]
            # Whoever may write to a repository may edit what others wrote.
            comment["body"] = self._told(method, token, body)
            return 200, {"html_url": "old"}
        return 404, {"message": "Not Found"}

    def _comments(
        self, method: str, number: int, query: dict[str, list[str]], login: str, body: Any, token: str
    ) -> tuple[int, Any]:
        if method == "POST":
            if len(body["body"]) > 65536:
                return 422, {"message": "Validation Failed"}
            self.add(number, self._told(method, token, body), login)
            return 201, {"html_url": "new"}
        size, page = int(query["per_page"][0]), int(query["page"][0])
        return 200, self.comments.get(number, [])[(page - 1) * size : page * size]

    def _told(self, method: str, token: str, body: Any) -> str:
        self.calls.append((method, token, body["body"]))
        return str(body["body"])


@contextmanager
def serving() -> Iterator[GitHub]:
    """A GitHub at a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers["Authorization"].removeprefix("Bearer ")
            status, value = github.answer(self.command, self.path, token, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        do_POST = do_PATCH = do_GET

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github = GitHub(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
