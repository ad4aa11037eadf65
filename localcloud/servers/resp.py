"""A client of the protocol Valkey and Redis speak (RESP 2), as much of it as managing a server needs."""

import socket
from pathlib import Path

Reply = str | int | None | list["Reply"]

PATIENCE = 30.0
"""Seconds the server may take to answer."""


class Refused(Exception):
    """The server answered with an error; the text is the server's."""


class Session:
    """One connection, which it closes at the end of a `with` block. Any call may raise OSError."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("rb")

    @classmethod
    def local(cls, path: Path) -> "Session":
        """A connection to a UNIX socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        try:
            connection.connect(str(path))
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._answers.close()
        self._connection.close()

    def execute(self, *words: str | int) -> Reply:
        """The answer to one command. Raises Refused."""
        parts = [str(word).encode() for word in words]
        command = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._connection.sendall(b"*%d\r\n%s" % (len(parts), command))
        return self._answer()

    def _answer(self) -> Reply:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode("utf-8", "replace")
        if kind == b"+":
            return text
        if kind == b"-":
            raise Refused(text)
        number = int(text)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            return self._answers.read(number + 2)[:-2].decode("utf-8", "replace")
        return [self._answer() for _ in range(number)]
