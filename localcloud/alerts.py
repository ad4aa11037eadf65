"""Measures what alerts are about, and tells who is to be told: by mail that stays here, and by webhooks."""

import json
import logging
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from localcloud.alert_types import DATABASE_ALERTS
from localcloud.jobs import Ticker
from localcloud.measures import Meter
from localcloud.messages import get, near, post
from localcloud.options import Layout
from localcloud.records import AlertPolicy, Cluster, UptimeAlert, UptimeCheck, now
from localcloud.state import State, Tables

_log = logging.getLogger("localcloud.alerts")

_NUMBERS = dict(
    zip(DATABASE_ALERTS, ("system_load15", "mem_used_percent", "disk_used_percent", "cpu_usage_user"), strict=True)
)
"""What each database alert is about, of a meter's."""
_MINUTES = {"2m": 2, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60}
_LOOKS = 10.0
"""Seconds between two looks; DigitalOcean's checks are a minute apart."""

Destinations = dict[str, Any]


@dataclass
class Series:
    """The measures of a window, and whether an alert stands because of them."""

    since: float = field(default_factory=time.monotonic)
    values: deque[tuple[float, float]] = field(default_factory=deque)
    stands: bool = False

    def average(self, value: float, window: float) -> float | None:
        """With this one more; None until there is a whole window of them."""
        at = time.monotonic()
        self.values.append((at, value))
        while self.values[0][0] < at - window:
            self.values.popleft()
        return sum(item for _, item in self.values) / len(self.values) if at - self.since >= window else None


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
        numbers = dict(self._numbers(tables))
        seen: set[tuple[str, str]] = set()
        for policy in tables.alert_policies.values():
            for cluster in _watched(policy, tables):
                if policy.enabled and cluster.id in numbers:
                    value = numbers[cluster.id][_NUMBERS[policy.type]]
                    title = f"{policy.description or policy.type} of {cluster.name}"
                    above = policy.compare == "GreaterThan"
                    seen.add((policy.uuid, cluster.id))
                    self._judge(
                        (policy.uuid, cluster.id), title, policy.window, value, policy.value, above, policy.alerts
                    )
        for check in tables.uptime_checks.values():
            alerts = [item for item in tables.uptime_alerts.values() if item.check_id == check.id]
            found = _visit(check) if check.enabled and alerts else None
            for alert in alerts if found is not None else ():
                seen.add((alert.id, check.id))
                self._judge_check(alert, check, found or {})
        self._series = {key: series for key, series in self._series.items() if key in seen}

    def _numbers(self, tables: Tables) -> Iterator[tuple[str, dict[str, float]]]:
        watched = {cluster.id for policy in tables.alert_policies.values() for cluster in _watched(policy, tables)}
        for id in watched:
            cluster = tables.clusters[id]
            meter = self._meters.setdefault(id, Meter(self._layout.cluster(id)))
            if cluster.status == "online":
                yield id, meter.machine(cluster)
        self._meters = {id: meter for id, meter in self._meters.items() if id in watched}

    def _judge_check(self, alert: UptimeAlert, check: UptimeCheck, found: dict[str, float]) -> None:
        kind = "down" if alert.type.startswith("down") else alert.type
        if kind not in found:
            return
        bound = 0.5 if kind == "down" else float(alert.threshold or 0)
        above = kind == "down" or alert.comparison != "less_than"
        title = f"{alert.name}: {check.name} ({check.target})"
        self._judge((alert.id, check.id), title, alert.period or "", found[kind], bound, above, alert.notifications)

    def _judge(
        self, key: tuple[str, str], title: str, window: str, value: float, bound: float, above: bool, to: Destinations
    ) -> None:
        series = self._series.setdefault(key, Series())
        average = series.average(value, _MINUTES.get(window, 0) * 60 * self._pace)
        if average is None:
            return
        stands = average > bound if above else average < bound
        if stands != series.stands:
            series.stands = stands
            what = f"{average:.1f} is {'above' if above else 'below'} {bound:g}" if stands else f"{average:.1f} again"
            self._tell(to, f"{'Triggered' if stands else 'Resolved'}: {title}", f"{what}{window and f' for {window}'}.")

    def _tell(self, to: Destinations, subject: str, text: str) -> None:
        for address in to.get("email") or ():
            self._keep({"to": address, "subject": subject, "text": text})
        for hook in to.get("slack") or ():
            message = {"channel": hook["channel"], "text": f"{subject}\n{text}"}
            try:
                post(hook["url"], message)
            except OSError as problem:
                _log.warning("%s: %s", subject, problem)
                self._keep({"to": hook["url"], "subject": subject, "text": f"{text} Not sent: {problem}"})

    def _keep(self, mail: dict[str, str]) -> None:
        with self._layout.mail.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": now(), **mail}) + "\n")


def mailbox(path: Path) -> list[dict[str, str]]:
    """What was sent by mail, oldest first."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _watched(policy: AlertPolicy, tables: Tables) -> list[Cluster]:
    """The clusters a policy is about: those it names, or with its tags; all when it has neither."""
    if policy.type not in _NUMBERS:
        return []
    return [
        cluster
        for cluster in tables.clusters.values()
        if cluster.id in policy.entities or set(cluster.tags) & set(policy.tags) or not (policy.entities or policy.tags)
    ]


def _visit(check: UptimeCheck) -> dict[str, float] | None:
    """down: 1 or 0. latency: milliseconds. ssl_expiry: days. None for what is not on this machine or no URL."""
    parts = urlsplit(check.target)
    if check.type == "ping" or not near(parts.hostname or ""):
        return None
    found: dict[str, float] = {}
    if parts.scheme == "https":
        with suppress(OSError, ValueError):
            pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=10)
            found["ssl_expiry"] = _days_left(pem)
    began = time.monotonic()
    try:
        get(check.target)
    except HTTPError as answer:
        return found | {"down": float(answer.code >= 400), "latency": 1000 * (time.monotonic() - began)}
    except OSError:
        return found | {"down": 1.0}
    return found | {"down": 0.0, "latency": 1000 * (time.monotonic() - began)}


def _days_left(pem: str) -> float:
    from cryptography import x509

    return (x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp() - time.time()) / 86400
