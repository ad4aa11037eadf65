"""The journal: one JSON line for every request the API got, secrets masked."""

import hashlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.records import now

_log = logging.getLogger("localcloud.api")

_SECRET_KEYS = frozenset(
    "password api_key token registry_credentials secret credentials user_data basic_auth_password".split()
)
_URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):([^@/\s]+)(?=@)")
_SEALED = re.compile(r"^EV\[\d+:.*\]$")


def mask(value: str) -> str:
    """Stands in for a secret: equal secrets get equal marks, so that two journals can be compared."""
    return "masked:" + hashlib.sha256(value.encode()).hexdigest()[:16]


def mask_secrets(value: Any) -> Any:
    """A copy of a JSON value without its secrets: passwords, tokens, SECRET variables, passwords inside URLs."""
    if isinstance(value, dict):
        secret_variable = value.get("type") == "SECRET"
        return {
            key: mask(item)
            if isinstance(item, str) and item and (key in _SECRET_KEYS or (secret_variable and key == "value"))
            else mask_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask_secrets(item) for item in value]
    if isinstance(value, str) and "PRIVATE KEY-----" in value:
        return mask(value)
    if isinstance(value, str) and not _SEALED.match(value):
        return _URL_PASSWORD.sub(_mask_url_password, value)
    return value


def _mask_url_password(match: re.Match[str]) -> str:
    name, password = match.groups()
    # A bindable variable such as ${db.PASSWORD} is no secret, and tests want to see it.
    return f"{name}:{password if password.startswith('${') else mask(password)}"


class Journal:
    """Appends entries to a file. Numbers go up by one and go on after a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "a+", encoding="utf-8")
        self._last = self._drop_torn_line()

    def _drop_torn_line(self) -> int:
        """Removes a line that a crash of the machine left half-written. Returns the number of whole lines."""
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            self._file.truncate(whole)
        return data.count(b"\n")

    def record(
        self, scope: Mapping[str, Any], path: str, query: str, body: Any, status: int, started: float, fault: str
    ) -> None:
        """Writes the entry of a request that was answered. started: by the monotonic clock. fault: "" for none."""
        entry = {
            "time": now(),
            "method": scope["method"],
            "path": path,
            "query": query,
            "body": body,
            "status": status,
            "milliseconds": round((time.monotonic() - started) * 1000),
        }
        self.append(entry | ({"fault": fault} if fault else {}))
        _log.info("%s %s %s", scope["method"], path, status)

    def append(self, entry: dict[str, Any]) -> int:
        """Writes an entry and returns its number."""
        with self._lock:
            self._last += 1
            self._file.write(json.dumps({"seq": self._last, **entry}) + "\n")
            self._file.flush()
            return self._last

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Entries with a number above `seq`, oldest first."""
        with self._lock, self._path.open(encoding="utf-8") as file:
            return [entry for line in file if (entry := json.loads(line))["seq"] > seq]

    def close(self) -> None:
        self._file.close()
