"""A local cloud under test: the real command, a state folder of its own, a free port."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from localcloud.access import find_token
from localcloud.options import Layout
from tests.localcloud.contract import Contract
from tests.ports import free_port
from trellis.development.bring import Parts, bring

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
"""Seconds until a wait is given up; no test takes a fraction of it on an idle machine."""

_OPENER = build_opener(ProxyHandler({}))


@cache
def parts() -> Parts:
    """The servers' programs, and the images of Droplets where there can be any."""
    return bring()


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} seconds for {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Message

    @property
    def message(self) -> str:
        return str(self.body["message"])


class LocalCloud:
    """Drives one local cloud by its command and by plain HTTP. Every answer is checked against the contract."""

    def __init__(self, contract: Contract | None, zones: Sequence[str] = (), **settings: str) -> None:
        """settings: environment variables of the command."""
        self.state = Path(tempfile.mkdtemp(prefix="localcloud-"))
        self.port = free_port()
        self.zones = zones
        self._contract = contract
        self._settings = settings

    @property
    def token(self) -> str:
        """What every call must carry; "" before the first start."""
        return find_token(Layout(state=self.state).token)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "LOCALCLOUD_STATE": str(self.state),
            "LOCALCLOUD_PORT": str(self.port),
            "LOCALCLOUD_POSTGRESQL": str(parts().postgresql),
            "LOCALCLOUD_PGBOUNCER": str(parts().pgbouncer),
            "LOCALCLOUD_VALKEY": str(parts().valkey),
            "LOCALCLOUD_DROPLET_IMAGES": str(parts().droplet_images or ""),
            "LOCALCLOUD_ZONES": ",".join(self.zones),
            **self._settings,
        }

    def command(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "localcloud", *arguments],
            cwd=ROOT,
            env=self.environment() | changes,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )

    def start(self) -> None:
        done = self.command("start")
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        done = self.command("stop")
        assert done.returncode == 0, done.stdout + done.stderr

    def remove(self) -> None:
        """Stops everything and deletes the state folder."""
        if (self.state / "serve.lock").exists():
            done = self.command("reset", "--yes")
            assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(self.state, ignore_errors=True)

    def call(self, method: str, path: str, body: Any = None, authorization: str | None = None) -> Answer:
        """authorization: in place of the right header; "" sends none."""
        headers = {"content-type": "application/json"}
        if authorization != "":
            headers["authorization"] = authorization or f"Bearer {self.token}"
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, method=method, data=data, headers=headers)
        try:
            with _OPENER.open(request, timeout=PATIENCE) as response:
                answer = Answer(response.status, _decode(response.read()), response.headers)
        except HTTPError as error:
            answer = Answer(error.code, _decode(error.read()), error.headers)
        if self._contract is not None:
            self._contract.check(method, path.partition("?")[0], answer.status, answer.body)
        return answer

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status == status, answer
        return answer.body

    def put(self, path: str, body: Any, status: int) -> Any:
        answer = self.call("PUT", path, body)
        assert answer.status == status, answer
        return answer.body

    def delete(self, path: str, status: int = 204) -> None:
        answer = self.call("DELETE", path)
        assert answer.status == status, answer

    def create_cluster(self, name: str, **changes: Any) -> dict[str, Any]:
        """An online cluster; launch plan unless told otherwise."""
        asked = {
            "name": name,
            "engine": "pg",
            "version": "17",
            "size": "db-s-1vcpu-1gb",
            "region": "nyc1",
            "num_nodes": 1,
        }
        created = self.post("/v2/databases", asked | changes)["database"]
        return self.online(f"/v2/databases/{created['id']}", "database")

    def online(self, path: str, root: str) -> dict[str, Any]:
        wait_until(lambda: bool(self.get(path)[root]["status"] == "online"), f"{path} to be online")
        found: dict[str, Any] = self.get(path)[root]
        return found

    def ca(self, cluster_id: str) -> str:
        certificate: str = self.get(f"/v2/databases/{cluster_id}/ca")["ca"]["certificate"]
        return certificate

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.get(f"/_local/journal?since={since}")["entries"]
        return entries

    def last_seq(self) -> int:
        entries = self.journal()
        return int(entries[-1]["seq"]) if entries else 0


def _decode(data: bytes) -> Any:
    return json.loads(data) if data else None
