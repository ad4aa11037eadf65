"""One port for both: plain HTTP, and TLS with a certificate of the authority."""

import asyncio
import socket
import ssl

import uvicorn

_HANDSHAKE = 0x16
"""The first byte of a client that speaks TLS."""


class Server(uvicorn.Server):
    """Accepts connections itself, to look at their first byte before it chooses."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext) -> None:
        super().__init__(config)
        self._context = context
        self._accepting: dict[socket.socket, asyncio.Task[None]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def open(self, listener: socket.socket) -> None:
        """From now on answers who connects there."""
        listener.setblocking(False)
        self._accepting[listener] = asyncio.ensure_future(self._accept(listener))

    def close(self, listener: socket.socket) -> None:
        self._accepting.pop(listener).cancel()
        listener.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        for listener in sockets or ():
            self.open(listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in list(self._accepting):
            self.close(listener)
        for task in list(self._under_way):
            task.cancel()
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError:  # no descriptor is left for it; there will be
                await asyncio.sleep(0.1)
                continue
            task = asyncio.ensure_future(self._connect(connection))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _connect(self, connection: socket.socket) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(connection, readable.set)
            await readable.wait()
            loop.remove_reader(connection)
            speaks_tls = connection.recv(1, socket.MSG_PEEK) == bytes([_HANDSHAKE])
            context = self._context if speaks_tls else None
            await loop.connect_accepted_socket(self._protocol, connection, ssl=context)
        except OSError:  # gone already, or it does not trust the certificate
            connection.close()
        except asyncio.CancelledError:
            loop.remove_reader(connection)
            connection.close()
            raise

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made
