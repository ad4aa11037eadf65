"""Measures what alerts are about, and tells who is to be told: by mail that stays here, and by webhooks."""

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit

from cryptography import x509

from localcloud.alert_types import DATABASE_ALERTS
from localcloud.jobs import Ticker
from localcloud.measures import Meter
from localcloud.messages import get, near, post
from localcloud.options import Layout
from localcloud.records import AlertPolicy, Cluster, now
from localcloud.state import State, Tables

_MEASURES = dict(
    zip(DATABASE_ALERTS, "system_load15 mem_used_percent disk_used_percent cpu_usage_user".split(), strict=True)
)
"""What each database alert is about, of a meter's."""
_MINUTES = {"2m": 2, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60}
_LOOKS = 10.0
"""Seconds between two looks; DigitalOcean's checks are a minute apart."""


class Watched(NamedTuple):
    """A value now, what it is of, and when it makes an alert. to: email addresses and Slack channels."""

    key: tuple[str, str]
    title: str
    value: float
    bound: float
    above: bool
    window: str
    to: dict[str, Any]


@dataclass
class Series:
    """The measures of a window, and whether an alert stands because of them."""

    since: float = field(default_factory=time.monotonic)
    values: list[tuple[float, float]] = field(default_factory=list)
    stands: bool = False


class Alerts(Ticker):
    """Looks at every alert. pace: windows, and the time between two looks, are this times as long as they say."""

    def __init__(self, layout: Layout, state: State, pace: float) -> None:
        super().__init__("alerts", self._look, _LOOKS * pace)
        self._layout = layout
        self._state = state
        self._pace = pace
        self._meters: dict[str, Meter] = {}
        self._series: dict[tuple[str, str], Series] = {}

    def _look(self) -> None:
        tables = self._state.read()
        found = [*self._policies(tables), *_checks(tables)]
        self._series = {item.key: self._series.get(item.key, Series()) for item in found}
        for item in found:
            self._judge(item)

    def _policies(self, tables: Tables) -> Iterator[Watched]:
        numbers: dict[str, dict[str, float]] = {}
        for policy in tables.alert_policies.values():
            for cluster in _clusters(policy, tables):
                if cluster.id not in numbers:
                    meter = self._meters.setdefault(cluster.id, Meter(self._layout.cluster(cluster.id)))
                    numbers[cluster.id] = meter.machine(cluster)
                title = f"{policy.description or policy.type} of {cluster.name}"
                value = numbers[cluster.id][_MEASURES[policy.type]]
                key, above = (policy.uuid, cluster.id), policy.compare == "GreaterThan"
                yield Watched(key, title, value, policy.value, above, policy.window, policy.alerts)
        self._meters = {id: meter for id, meter in self._meters.items() if id in numbers}

    def _judge(self, item: Watched) -> None:
        series, at = self._series[item.key], time.monotonic()
        window = _MINUTES.get(item.window, 0) * 60 * self._pace
        series.values = [(when, value) for when, value in series.values if when >= at - window] + [(at, item.value)]
        if at - series.since < window:
            return
        average = sum(value for _, value in series.values) / len(series.values)
        stands = average > item.bound if item.above else average < item.bound
        if stands != series.stands:
            series.stands = stands
            is_now = f"{'above' if item.above else 'below'} {item.bound:g}" if stands else "what it should be again"
            text = f"{average:.1f} is {is_now}{item.window and f', for {item.window}'}."
            self._tell(item.to, f"{'Triggered' if stands else 'Resolved'}: {item.title}", text)

    def _tell(self, to: dict[str, Any], subject: str, text: str) -> None:
        letters = [{"to": address, "subject": subject, "text": text} for address in to.get("email") or ()]
        for hook in to.get("slack") or ():
            try:
                post(hook["url"], {"channel": hook["channel"], "text": f"{subject}\n{text}"})
            except OSError as problem:
                letters.append({"to": hook["url"], "subject": subject, "text": f"{text} Not sent: {problem}"})
        with self._layout.mail.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"time": now(), **letter}) + "\n" for letter in letters)


def _clusters(policy: AlertPolicy, tables: Tables) -> list[Cluster]:
    """The running clusters a policy is about: those it names, or with its tags; all when it has neither."""
    everyone = not (policy.entities or policy.tags)
    return [
        item
        for item in tables.clusters.values()
        if policy.enabled and policy.type in _MEASURES and item.status == "online"
        if everyone or item.id in policy.entities or set(item.tags) & set(policy.tags)
    ]


def _checks(tables: Tables) -> Iterator[Watched]:
    visits: dict[str, dict[str, float]] = {}
    for alert in tables.uptime_alerts.values():
        check = tables.uptime_checks[alert.check_id]
        if not check.enabled or check.type == "ping" or not near(urlsplit(check.target).hostname or ""):
            continue
        if check.id not in visits:
            visits[check.id] = _visit(check.target)
        kind = alert.type.removesuffix("_global")
        if kind in visits[check.id]:
            title, value = f"{alert.name}: {check.name} ({check.target})", visits[check.id][kind]
            bound, above = float(alert.threshold or 0), alert.comparison != "less_than"
            more = (0.5, True) if kind == "down" else (bound, above)
            yield Watched((alert.id, check.id), title, value, *more, alert.period or "", alert.notifications)


def _visit(target: str) -> dict[str, float]:
    """down: 1 or 0. latency: milliseconds. ssl_expiry: days."""
    parts, found = urlsplit(target), {"down": 0.0}
    if parts.scheme == "https":
        with suppress(OSError, ValueError):
            pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=10)
            ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
            found["ssl_expiry"] = (ends.timestamp() - time.time()) / 86400
    began = time.monotonic()
    try:
        get(target)
    except HTTPError as answer:
        found["down"] = float(answer.code >= 400)
    except OSError:
        return found | {"down": 1.0}
    return found | {"latency": 1000 * (time.monotonic() - began)}
