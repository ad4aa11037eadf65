"""The state file: all records in one JSON document, replaced as a whole before a change is answered."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from localcloud import compute, files, records
from localcloud.records import Record

FORMAT = 1


class StateError(Exception):
    """The state file cannot be used. The text says which file and what to do."""


class Tables:
    """One dictionary of records a kind, by id (tags: by name; the account: the one there is)."""

    accounts: dict[str, records.Account]

    vpcs: dict[str, records.Vpc]
    clusters: dict[str, records.Cluster]
    replicas: dict[str, records.Replica]
    apps: dict[str, records.App]
    alert_policies: dict[str, records.AlertPolicy]
    uptime_checks: dict[str, records.UptimeCheck]
    uptime_alerts: dict[str, records.UptimeAlert]
    projects: dict[str, records.Project]
    tags: dict[str, records.Tag]
    spaces_keys: dict[str, records.SpacesKey]
    droplets: dict[str, compute.Droplet]
    volumes: dict[str, compute.Volume]
    firewalls: dict[str, compute.Firewall]
    ssh_keys: dict[str, compute.SshKey]
    actions: dict[str, compute.Action]
    log_sinks: dict[str, records.LogSink]
    metrics_logins: dict[str, records.MetricsLogin]
    zones: dict[str, records.Zone]
    dns_records: dict[str, records.DnsRecord]

    def __init__(self) -> None:
        self.restore({name: {} for name in _ADAPTERS})

    @property
    def account(self) -> records.Account:
        return self.accounts.get("", records.Account())

    @account.setter
    def account(self, record: records.Account) -> None:
        self.accounts[""] = record

    def snapshot(self) -> dict[str, dict[str, Record]]:
        return {name: dict(table) for name, table in vars(self).items()}

    def restore(self, snapshot: dict[str, dict[str, Record]]) -> None:
        for name, table in snapshot.items():
            setattr(self, name, table)


_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in get_type_hints(Tables).items()}


class State:
    """The records of one local cloud. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Loads `path` if it exists. Raises StateError when it does not hold what this version writes."""
        self._path = path
        self._lock = threading.RLock()
        self._tables = Tables()
        if path.exists():
            self._load()

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        """The tables, to read and change. Changes reach the disk when the block ends; an exception undoes them."""
        with self._lock:
            before = self._tables.snapshot()
            try:
                yield self._tables
                if self._tables.snapshot() != before:
                    self._save()
            except BaseException:
                self._tables.restore(before)
                raise

    def read(self) -> Tables:
        """A copy of the tables as they are now. Records are frozen, so the copy stays as it is."""
        with self._lock:
            copy = Tables()
            copy.restore(self._tables.snapshot())
            return copy

    def _load(self) -> None:
        try:
            document = files.read(self._path, files.record)
            if document.get("format") != FORMAT:
                raise ValueError(f"it has format {document.get('format')!r}, this version reads {FORMAT}")
            self._tables.restore(
                {name: adapter.validate_python(document.get(name, {})) for name, adapter in _ADAPTERS.items()}
            )
        except (ValueError, OSError) as problem:
            said = files.reason(problem) if isinstance(problem, ValueError) else problem
            raise StateError(
                f"{self._path}: the state cannot be read: {said}. Nothing was changed. Put the file back from a copy; "
                f"{files.previous(self._path)} is the one before it. `python -m localcloud reset` starts again from "
                "nothing."
            ) from problem

    def _save(self) -> None:
        document = {"format": FORMAT} | {
            name: adapter.dump_python(getattr(self._tables, name), mode="json") for name, adapter in _ADAPTERS.items()
        }
        files.replace(self._path, json.dumps(document, indent=1), copy=True)
