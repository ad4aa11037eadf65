"""/v2/monitoring/alerts: alert policies. Those of clusters are measured and sent by `alerts`."""

import uuid
from typing import Literal

from pydantic import field_validator

from localcloud.alert_types import ALERT_TYPES, DATABASE_ALERTS
from localcloud.api.call import Body, Call
from localcloud.api.collection import Collection
from localcloud.api.errors import Unprocessable
from localcloud.api.notifications import Destinations
from localcloud.records import AlertPolicy
from localcloud.state import Tables

_AUTOSCALE_MEASURES = """
current_instances target_instances current_cpu_utilization target_cpu_utilization current_memory_utilization
target_memory_utilization scale_up scale_down
"""
TYPES = (*ALERT_TYPES, *(f"v1/droplet/autoscale_alerts/{measure}" for measure in _AUTOSCALE_MEASURES.split()))


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


def _policy(call: Call, tables: Tables, old: AlertPolicy | None) -> AlertPolicy:
    body = call.read(_Policy)
    entities = tuple(body.entities or ())
    if body.type in DATABASE_ALERTS:
        for entity in entities:
            if entity not in tables.clusters and entity not in tables.replicas:
                raise Unprocessable(f"entities: {entity}: there is no database cluster with this id.")
    if not body.alerts.email and not body.alerts.slack:
        raise Unprocessable("alerts: give at least one email address or Slack channel.")
    id = old.uuid if old else str(uuid.uuid4())
    kept = {"uuid": id, "entities": entities, "tags": tuple(body.tags or ()), "alerts": body.alerts.shown()}
    return AlertPolicy(**body.model_dump() | kept)


ENDPOINTS = Collection[AlertPolicy](
    path="/v2/monitoring/alerts",
    table=lambda tables: tables.alert_policies,
    root="policy",
    roots="policies",
    noun="alert policy",
    make=_policy,
    created=200,
    names=lambda policy: (policy.uuid,),
).routes()
