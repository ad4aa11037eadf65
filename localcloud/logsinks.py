"""Delivers what the servers of a cluster log to its log sinks."""

import logging
import socket
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.jobs import Ticker
from localcloud.messages import near
from localcloud.options import Layout
from localcloud.state import State

_log = logging.getLogger("localcloud.logsinks")
_TICK = 0.5
_LOGS = ("postgresql.log", "pgbouncer.log", "valkey.log")
_PATIENCE = 10.0
_MOST = 256 * 1024
"""Bytes of a log that are sent at once."""
_PRIORITY = 134
"""Facility local0, severity informational."""


class LogSinks(Ticker):
    """Follows the logs. What could not be sent is sent with the next try; a sink begins with what is logged then."""

    def __init__(self, layout: Layout, state: State) -> None:
        super().__init__("logsinks", self._deliver, _TICK)
        self._layout = layout
        self._state = state
        self._sent: dict[str, dict[Path, int]] = {}

    def _deliver(self) -> None:
        tables = self._state.read()
        for sink in tables.log_sinks.values():
            cluster = tables.clusters.get(sink.cluster_id)
            if cluster is None:
                with self._state.transaction() as changed:
                    changed.log_sinks.pop(sink.sink_id, None)
                continue
            folder = self._layout.cluster(cluster.id)
            places = self._sent.setdefault(sink.sink_id, {folder / name: _size(folder / name) for name in _LOGS})
            for path, sent in list(places.items()):
                # A log that is shorter than before was set aside and begun again.
                place = sent if sent <= _size(path) else 0
                data = _since(path, place)
                lines = filter(None, data.decode("utf-8", "replace").splitlines())
                at = datetime.now(UTC)
                text = "".join(f"{render(sink.config, cluster.name, path.stem, line, at)}\n" for line in lines)
                try:
                    if text:
                        send(sink.config, text)
                except OSError as problem:
                    _log.warning("log sink %s: %s", sink.sink_name, problem)
                    break
                places[path] = place + len(data)


def send(config: Mapping[str, Any], text: str) -> None:
    """Raises OSError when the receiver does not take it, or is not on this machine."""
    server = str(config["server"])
    if not near(server):
        raise OSError(f"{server} is not on this machine, and nothing else is called.")
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((server, int(config["port"])), _PATIENCE))
        if config["tls"]:
            trusted = ssl.create_default_context(cadata=config.get("ca"))
            if config.get("cert"):
                pair = stack.enter_context(tempfile.NamedTemporaryFile("w"))
                pair.write(f"{config['cert']}\n{config['key']}\n")
                pair.flush()
                trusted.load_cert_chain(pair.name)
            connection = stack.enter_context(trusted.wrap_socket(connection, server_hostname=server))
        connection.sendall(text.encode())


def render(config: Mapping[str, Any], host: str, program: str, line: str, now: datetime) -> str:
    """A line as the sink wants it: RFC 5424, RFC 3164 or in a form of its own with rsyslog's properties."""
    stamp, data = now.isoformat(timespec="milliseconds"), f"[{config['sd']}]" if config.get("sd") else "-"
    if config["format"] == "rfc3164":
        return f"<{_PRIORITY}>{now:%b} {now.day:2d} {now:%H:%M:%S} {host} {program}: {line}"
    if config["format"] == "rfc5424":
        return f"<{_PRIORITY}>1 {stamp} {host} {program} - - {data} {line}"
    properties = {"%pri%": str(_PRIORITY), "%timestamp:::date-rfc3339%": stamp, "%timestamp%": stamp}
    properties |= {"%HOSTNAME%": host, "%app-name%": program, "%procid%": "-", "%msgid%": "-"}
    text = str(config["logline"])
    for name, value in (properties | {"%structured-data%": data, "%msg%": line}).items():
        text = text.replace(name, value)
    return text


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _since(path: Path, place: int) -> bytes:
    """Whole lines from this byte on."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(_MOST)
    return data[: data.rfind(b"\n") + 1]
