"""A slow link on one machine: every byte between client and server arrives late."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 1 << 16


@contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """Passes connections on to a port of this machine, each way with a delay; gives the port to connect to.

    seconds: one way. A connection's own first packets take a round trip too.
    """
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_Link(port, seconds).serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    links = asyncio.all_tasks() - {asyncio.current_task()}
    for link in links:
        link.cancel()
    await asyncio.gather(*links, return_exceptions=True)


class _Link:
    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection."""
        await asyncio.sleep(2 * self._seconds)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._carry(reader, upstream_writer), self._carry(upstream_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes are under way while later ones are read: the delay does not limit how many pass in a second."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arrival = asyncio.create_task(self._arrive(under_way, writer))
        clock = asyncio.get_running_loop().time
        data = b"..."
        while data:
            try:
                data = await reader.read(_CHUNK)
            except ConnectionError:
                data = b""
            under_way.put_nowait((clock() + self._seconds, data))
        await arrival

    @staticmethod
    async def _arrive(under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - clock())
            if not data:
                writer.close()
                return
            try:
                writer.write(data)
                await writer.drain()
            except ConnectionError:
                return
