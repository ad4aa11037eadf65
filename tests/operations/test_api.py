"""What a command makes of a cloud's answers, over a real connection: the good, the broken and the cut off."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from trellis.operations.api import Api
from trellis.operations.errors import OperationError


class Server:
    """Sends one answer a connection, whatever is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __call__(self, *answers: bytes) -> Api:
        """An API that will give these answers."""
        threading.Thread(target=self._answer, args=answers, daemon=True).start()
        return Api(base=f"http://127.0.0.1:{self._listener.getsockname()[1]}", token="t0p")

    def _answer(self, *answers: bytes) -> None:
        for answer in answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                # Nobody asked again, and the test has ended.
                return
            with connection:
                self.asked.append(connection.recv(65536).decode())
                connection.sendall(answer)

    def close(self) -> None:
        self._listener.close()


CUT = b""


def answer(status: int, body: bytes, *, length: int | None = None, headers: str = "") -> bytes:
    """One HTTP answer. length: what it says that its body has, in bytes."""
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n".encode() + body


GOOD = answer(200, b'{"account": {"email": "ada@example.com"}}')
HALF = answer(200, b'{"account": {"em', length=200)
PAGE = b"<!DOCTYPE html><title>Bad gateway</title>"


@pytest.fixture
def serve() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(CUT, id="the connection is cut"),
        pytest.param(HALF, id="half a body"),
        pytest.param(answer(429, b"{}", headers="Retry-After: 1\r\n"), id="429 with a time to wait"),
        pytest.param(answer(500, b"{}"), id="500"),
        pytest.param(answer(502, PAGE), id="502 with a page"),
    ],
)
def test_a_get_is_sent_again(serve: Server, broken: bytes) -> None:
    assert serve(broken, GOOD).get("/v2/account") == {"account": {"email": "ada@example.com"}}


@pytest.mark.parametrize("broken", [CUT, HALF, answer(503, PAGE)])
def test_what_changes_something_is_sent_once(serve: Server, broken: bytes) -> None:
    api = serve(broken, GOOD)
    with pytest.raises(OperationError, match=r"POST /v2/vpcs"):
        api.call("POST", "/v2/vpcs", {"name": "v"})
    assert len(serve.asked) == 1


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(answer(200, PAGE), id="a page in place of JSON"),
        pytest.param(answer(200, b"[1, 2]"), id="a list"),
        pytest.param(answer(200, b'"text"'), id="a text"),
        pytest.param(answer(200, b'{"vpcs": {"name": "x"}}'), id="an object in place of the list"),
        pytest.param(answer(200, b'{"vpcs": [7]}'), id="a number in the list"),
        pytest.param(answer(200, b'{"vpcs": [], "meta": 7}'), id="a number in place of the counts"),
        pytest.param(answer(200, b"\xff\xfe{"), id="bytes"),
        pytest.param(answer(301, b"", headers="Location: http://127.0.0.1:9/\r\n"), id="another address"),
        pytest.param(answer(401, b'{"id": "unauthorized"}'), id="a token that is not known"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
    ],
)
def test_anything_else_is_told_in_one_line(serve: Server, strange: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib3.Retry.sleep", lambda *_: None)
    api = serve(*[strange] * 6)
    with pytest.raises(OperationError) as told:
        list(api.every("/v2/vpcs", "vpcs"))
    text = str(told.value)
    assert "GET /v2/vpcs" in text
    assert "\n" not in text
    assert "t0p" not in text + repr(api)


def test_nobody_there(free_address: str) -> None:
    with pytest.raises(OperationError, match=f"{free_address} does not answer GET /v2/account: .*refused"):
        Api(base=free_address, token="t").get("/v2/account")


@pytest.fixture
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_list_is_read_page_by_page(serve: Server) -> None:
    pages = [{"vpcs": [{"id": n}], "meta": {"total": 2}} for n in (1, 2)]
    api = serve(*(answer(200, json.dumps(page).encode()) for page in pages))
    assert [item["id"] for item in api.every("/v2/vpcs", "vpcs")] == [1, 2]
    assert "page=2" in serve.asked[1]


def test_nothing_there_is_no_error(serve: Server) -> None:
    api = serve(answer(404, b"{}"), answer(404, b"{}"), answer(204, b""))
    assert api.get("/v2/vpcs/1") is None
    api.delete("/v2/vpcs/1")
    api.delete("/v2/vpcs/1")
