"""/v2/databases/{id}/logsink: where a cluster's logs go."""

import uuid
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.databases.lookup import find_cluster
from localcloud.api.errors import NotImplementedHere, Unprocessable
from localcloud.records import LogSink
from localcloud.state import Tables


class _Rsyslog(Body):
    server: str
    port: int = Field(ge=1, le=65535)
    tls: bool
    format: Literal["rfc5424", "rfc3164", "custom"]
    logline: str | None = None
    sd: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class _Update(Body):
    config: _Rsyslog


class _Create(_Update):
    sink_name: str


def _sink(call: Call, tables: Tables, old: LogSink | None) -> LogSink:
    cluster = find_cluster(tables, call.param("id"))
    if old is not None:
        return old.model_copy(update={"config": _checked(call.read(_Update).config)})
    if (type := call.json().get("sink_type")) != "rsyslog":
        raise NotImplementedHere(f"log sinks of the type {type}; it has rsyslog")
    body = call.read(_Create)
    if any(sink.sink_name == body.sink_name and sink.cluster_id == cluster.id for sink in tables.log_sinks.values()):
        raise Unprocessable(f"sink_name {body.sink_name}: another log sink of {cluster.name} has this name.")
    config = _checked(body.config)
    return LogSink(sink_id=str(uuid.uuid4()), cluster_id=cluster.id, sink_name=body.sink_name, config=config)


def _checked(config: _Rsyslog) -> dict[str, Any]:
    if config.format == "custom" and not config.logline:
        raise Unprocessable("config.logline: a custom format needs one.")
    if (config.cert is None) != (config.key is None) or (config.cert and not config.tls):
        raise Unprocessable("config.cert, config.key: give both or none, and only with tls.")
    return config.model_dump(exclude_none=True)


def _of_cluster(call: Call, tables: Tables) -> Callable[[LogSink], bool]:
    cluster = find_cluster(tables, call.param("id"))
    return lambda sink: sink.cluster_id == cluster.id


_SINKS = Collection[LogSink](
    path="/v2/databases/{id}/logsink",
    param="sink_id",
    table=lambda tables: tables.log_sinks,
    root="sink",
    noun="log sink",
    show=lambda _, sink: sink.model_dump(mode="json", exclude={"cluster_id"}),
    make=_sink,
    names=lambda sink: (sink.sink_id,),
    among=_of_cluster,
    deleted=Reply(status=200),
)


def _get(call: Call) -> Reply:
    """DigitalOcean's Go client reads the one without a root that the OpenAPI document has."""
    shown = _SINKS.show(call, _SINKS.here(call, call.cloud.state.read()))
    return Reply(body={"sink": shown, **shown})


def _put(call: Call) -> Reply:
    _SINKS.update(call)
    return Reply(status=200)


ENDPOINTS: Routes = _SINKS.routes(GET=_get, PUT=_put)
