"""Log sinks: what the servers log reaches a receiver on this machine."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.localcloud.cloud import LocalCloud, wait_until
from tests.localcloud.receivers import syslog


@pytest.fixture
def sinks(cloud: LocalCloud, cluster: dict[str, Any]) -> Iterator[str]:
    path = f"/v2/databases/{cluster['id']}/logsink"
    yield path
    for sink in cloud.get(path)["sinks"]:
        cloud.delete(f"{path}/{sink['sink_id']}", 200)


@pytest.fixture
def complain(cluster: dict[str, Any], connect: Callable[..., psycopg.Connection[Any]]) -> Callable[[str], None]:
    """Has the server log an error with this word in it."""

    def log(word: str) -> None:
        with connect(cluster["connection"]) as session, pytest.raises(psycopg.errors.UndefinedTable):
            session.execute(f"SELECT * FROM {word}".encode())

    return log


def rsyslog(port: int, **more: Any) -> dict[str, Any]:
    return {"server": "127.0.0.1", "port": port, "tls": False, "format": "rfc5424", **more}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, r"<134>1 \d{4}-\S+ shared postgresql - - - .*%s.*"),
        ({"sd": 'T tag="x"'}, r'<134>1 \S+ shared postgresql - - \[T tag="x"\] .*%s.*'),
        ({"format": "rfc3164"}, r"<134>\w{3} [ \d]\d [\d:]{8} shared postgresql: .*%s.*"),
        ({"format": "custom", "logline": "%HOSTNAME%/%app-name% %msg%"}, r"shared/postgresql .*%s.*"),
    ],
)
def test_what_the_server_logs_is_delivered(
    cloud: LocalCloud, sinks: str, complain: Callable[[str], None], form: dict[str, str], expected: str
) -> None:
    with syslog() as (port, lines):
        made = cloud.post(sinks, {"sink_name": "s", "sink_type": "rsyslog", "config": rsyslog(port, **form)})["sink"]
        assert cloud.get(f"{sinks}/{made['sink_id']}") == {"sink": made, **made}
        assert cloud.get(sinks)["sinks"] == [made]

        def arrived() -> bool:
            complain("nothing_like_this")
            return any(re.fullmatch(expected % "nothing_like_this", line) for line in lines)

        wait_until(arrived, "the line to be delivered")
        cloud.delete(f"{sinks}/{made['sink_id']}", 200)


def test_what_could_not_be_delivered_comes_later(
    cloud: LocalCloud, sinks: str, complain: Callable[[str], None]
) -> None:
    with syslog() as (port, first):
        made = cloud.post(sinks, {"sink_name": "late", "sink_type": "rsyslog", "config": rsyslog(port)})["sink"]

        def followed() -> bool:
            complain("nothing_yet")
            return any("nothing_yet" in line for line in first)

        wait_until(followed, "the log to be followed")
    # Nobody listens on the port now.
    for number in range(3):
        complain(f"missed_{number}")
    with syslog() as (other, lines):
        cloud.put(f"{sinks}/{made['sink_id']}", {"config": rsyslog(other)}, 200)
        wait_until(lambda: any("missed_2" in line for line in lines), "the last line")
        assert [number for number in range(3) if any(f"missed_{number}" in line for line in lines)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "status", "complaint"),
    [
        ({"sink_type": "opensearch"}, 501, "it has rsyslog"),
        ({"sink_type": "datadog"}, 501, "it has rsyslog"),
        ({"config": rsyslog(0)}, 422, "config.port: "),
        ({"config": rsyslog(514, format="custom")}, 422, "config.logline"),
        ({"config": rsyslog(514, cert="c", key="k")}, 422, "only with tls"),
        ({"config": rsyslog(514, tls=True, cert="c")}, 422, "give both"),
        ({"config": {"site": "x", "datadog_api_key": "y"}}, 422, "config.server: "),
    ],
)
def test_a_wrong_sink_is_refused(
    cloud: LocalCloud, sinks: str, change: dict[str, Any], status: int, complaint: str
) -> None:
    answer = cloud.call("POST", sinks, {"sink_name": "w", "sink_type": "rsyslog", "config": rsyslog(514)} | change)
    assert (answer.status, complaint in answer.message) == (status, True), answer.message
    assert cloud.get(sinks)["sinks"] == []
