"""One comment, updated: against an HTTP server that answers as GitHub's API does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tools.comment import PAGE, write

MARKER = "<!-- trellis preview-report: prod -->"


class Comments:
    """The comments of pull request 7, and every call that changed one."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, str]] = []
        comments = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                assert path == "/repos/ada/shop/issues/7/comments"
                page = int(dict(part.split("=") for part in query.split("&"))["page"])
                self.reply(comments.all[(page - 1) * PAGE : page * PAGE])

            def do_POST(self) -> None:
                comments.all.append({"id": len(comments.all) + 1, "body": self.text()})
                self.reply({"html_url": "new"})

            def do_PATCH(self) -> None:
                number = int(self.path.removeprefix("/repos/ada/shop/issues/comments/"))
                next(one for one in comments.all if one["id"] == number)["body"] = self.text()
                self.reply({"html_url": "old"})

            def text(self) -> str:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
                comments.calls.append((self.command, self.headers["Authorization"], body))
                return str(body)

            def reply(self, value: Any) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def write(self, text: str) -> str:
        """Writes a comment as the command does."""
        port = self.server.server_address[1]
        return write(text, 7, api=f"http://127.0.0.1:{port}", repository="ada/shop", token="t0")


@pytest.fixture
def github() -> Iterator[Comments]:
    comments = Comments()
    thread = threading.Thread(target=comments.server.serve_forever)
    thread.start()
    yield comments
    comments.server.shutdown()
    comments.server.server_close()
    thread.join()


def test_a_comment_is_written_once_and_then_anew(github: Comments) -> None:
    github.all = [{"id": 40, "body": f"I quote {MARKER}"}, {"id": 41, "body": "<!-- trellis preview-report: dev -->\n"}]
    assert github.write(f"{MARKER}\nfirst\n") == "new"
    assert github.write(f"{MARKER}\nsecond\n") == "old"
    assert [one["body"] for one in github.all[2:]] == [f"{MARKER}\nsecond\n"]
    assert [(method, token) for method, token, _ in github.calls] == [("POST", "Bearer t0"), ("PATCH", "Bearer t0")]


def test_it_is_found_on_a_later_page(github: Comments) -> None:
    github.all = [{"id": number, "body": "chat"} for number in range(PAGE)] + [{"id": 900, "body": f"{MARKER}\r\nold"}]
    assert github.write(f"{MARKER}\nnew\n") == "old"
    assert github.all[-1]["body"] == f"{MARKER}\nnew\n"
