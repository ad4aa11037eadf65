"""/v2/monitoring/alerts: alert policies. They are checked and kept; nothing measures and nothing is sent."""

import uuid
from typing import Any, Literal

from pydantic import field_validator

from localcloud.api.call import NO_CONTENT, Body, Call, Endpoint, Reply
from localcloud.api.errors import NotFound, Unprocessable
from localcloud.api.notifications import Destinations
from localcloud.api.paging import page
from localcloud.records import AlertPolicy
from localcloud.state import Tables

_DATABASE_TYPES = tuple(
    f"v1/dbaas/alerts/{measure}_alerts" for measure in ("load_15", "memory_utilization", "disk_utilization", "cpu")
)
_DROPLET_MEASURES = (
    "load_1",
    "load_5",
    "load_15",
    "memory_utilization_percent",
    "disk_utilization_percent",
    "cpu",
    "disk_read",
    "disk_write",
    "public_outbound_bandwidth",
    "public_inbound_bandwidth",
    "private_outbound_bandwidth",
    "private_inbound_bandwidth",
)
_BALANCER_MEASURES = (
    "avg_cpu_utilization_percent",
    "connection_utilization_percent",
    "droplet_health",
    "tls_connections_per_second_utilization_percent",
    "increase_in_http_error_rate_percentage_5xx",
    "increase_in_http_error_rate_percentage_4xx",
    "increase_in_http_error_rate_count_5xx",
    "increase_in_http_error_rate_count_4xx",
    "high_http_request_response_time",
    "high_http_request_response_time_50p",
    "high_http_request_response_time_95p",
    "high_http_request_response_time_99p",
)
_AUTOSCALE_MEASURES = (
    "current_instances",
    "target_instances",
    "current_cpu_utilization",
    "target_cpu_utilization",
    "current_memory_utilization",
    "target_memory_utilization",
    "scale_up",
    "scale_down",
)
TYPES = (
    *_DATABASE_TYPES,
    *(f"v1/insights/droplet/{measure}" for measure in _DROPLET_MEASURES),
    *(f"v1/insights/lbaas/{measure}" for measure in _BALANCER_MEASURES),
    *(f"v1/droplet/autoscale_alerts/{measure}" for measure in _AUTOSCALE_MEASURES),
)


class _Policy(Body):
    type: str
    description: str
    compare: Literal["GreaterThan", "LessThan"]
    value: float
    window: Literal["5m", "10m", "30m", "1h"]
    entities: list[str] | None = None
    tags: list[str] | None = None
    alerts: Destinations
    enabled: bool = True

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in TYPES:
            raise ValueError(f"{value}: there is no such alert. For databases there are: {', '.join(_DATABASE_TYPES)}.")
        return value

    def record(self, tables: Tables, id: str) -> AlertPolicy:
        """Raises Unprocessable when a cluster it watches does not exist."""
        entities = tuple(self.entities or ())
        if self.type in _DATABASE_TYPES:
            for entity in entities:
                if entity not in tables.clusters and entity not in tables.replicas:
                    raise Unprocessable(f"entities: {entity}: there is no database cluster with this id.")
        if not self.alerts.email and not self.alerts.slack:
            raise Unprocessable("alerts: give at least one email address or Slack channel.")
        return AlertPolicy(
            uuid=id,
            type=self.type,
            description=self.description,
            compare=self.compare,
            value=self.value,
            window=self.window,
            entities=entities,
            tags=tuple(self.tags or ()),
            alerts=self.alerts.shown(),
            enabled=self.enabled,
        )


def _create(call: Call) -> Reply:
    body = call.read(_Policy)
    with call.cloud.state.transaction() as tables:
        policy = body.record(tables, str(uuid.uuid4()))
        tables.alert_policies[policy.uuid] = policy
    return Reply(body={"policy": _show(policy)})


def _list(call: Call) -> Reply:
    return page(call, "policies", [_show(policy) for policy in call.cloud.state.read().alert_policies.values()])


def _get(call: Call) -> Reply:
    return Reply(body={"policy": _show(_find(call.cloud.state.read(), call.param("id")))})


def _update(call: Call) -> Reply:
    body = call.read(_Policy)
    with call.cloud.state.transaction() as tables:
        policy = body.record(tables, _find(tables, call.param("id")).uuid)
        tables.alert_policies[policy.uuid] = policy
    return Reply(body={"policy": _show(policy)})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        del tables.alert_policies[_find(tables, call.param("id")).uuid]
    return NO_CONTENT


def _find(tables: Tables, id: str) -> AlertPolicy:
    try:
        return tables.alert_policies[id]
    except KeyError:
        raise NotFound(f"There is no alert policy with the id {id}.") from None


def _show(policy: AlertPolicy) -> dict[str, Any]:
    return policy.model_dump(mode="json")


ENDPOINTS = (
    Endpoint(method="POST", path="/v2/monitoring/alerts", handler=_create),
    Endpoint(method="GET", path="/v2/monitoring/alerts", handler=_list),
    Endpoint(method="GET", path="/v2/monitoring/alerts/{id}", handler=_get),
    Endpoint(method="PUT", path="/v2/monitoring/alerts/{id}", handler=_update),
    Endpoint(method="DELETE", path="/v2/monitoring/alerts/{id}", handler=_delete),
)
