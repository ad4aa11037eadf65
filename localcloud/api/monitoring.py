"""/v2/monitoring/alerts: alert policies. They are checked and kept; nothing measures and nothing is sent."""

import uuid
from typing import Literal

from pydantic import field_validator

from localcloud.alert_types import ALERT_TYPES, DATABASE_ALERTS
from localcloud.api.call import Body, Call, Reply
from localcloud.api.collection import Collection
from localcloud.api.errors import Unprocessable
from localcloud.api.notifications import Destinations
from localcloud.records import AlertPolicy
from localcloud.state import Tables

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
TYPES = (*ALERT_TYPES, *(f"v1/droplet/autoscale_alerts/{measure}" for measure in _AUTOSCALE_MEASURES))


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
            raise ValueError(f"{value}: there is no such alert. For databases there are: {', '.join(DATABASE_ALERTS)}.")
        return value

    def record(self, tables: Tables, id: str) -> AlertPolicy:
        """Raises Unprocessable when a cluster it watches does not exist."""
        entities = tuple(self.entities or ())
        if self.type in DATABASE_ALERTS:
            for entity in entities:
                if entity not in tables.clusters and entity not in tables.replicas:
                    raise Unprocessable(f"entities: {entity}: there is no database cluster with this id.")
        if not self.alerts.email and not self.alerts.slack:
            raise Unprocessable("alerts: give at least one email address or Slack channel.")
        lists = {"entities": entities, "tags": tuple(self.tags or ())}
        return AlertPolicy(**self.model_dump() | lists | {"uuid": id, "alerts": self.alerts.shown()})


_POLICIES = Collection[AlertPolicy](
    path="/v2/monitoring/alerts",
    table=lambda tables: tables.alert_policies,
    root="policy",
    roots="policies",
    noun="alert policy",
    show=lambda policy: policy.model_dump(mode="json"),
)


def _create(call: Call) -> Reply:
    body = call.read(_Policy)
    with call.cloud.state.transaction() as tables:
        policy = body.record(tables, str(uuid.uuid4()))
        tables.alert_policies[policy.uuid] = policy
    return _POLICIES.reply(policy)


def _update(call: Call) -> Reply:
    body = call.read(_Policy)
    with call.cloud.state.transaction() as tables:
        policy = body.record(tables, _POLICIES.find(tables, call.param("id")).uuid)
        tables.alert_policies[policy.uuid] = policy
    return _POLICIES.reply(policy)


ENDPOINTS = _POLICIES.routes(_create, PUT=_update)
