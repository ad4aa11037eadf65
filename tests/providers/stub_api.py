"""An in-memory DigitalOcean and Cloudflare API for provider tests, with a journal of every request.

It keeps what it is sent and answers as the real APIs do, without servers behind it, so that two plugins can be run
against equal worlds. Identifiers, passwords and times are derived from names: the same requests give the same answers.
"""

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.providers.stub_droplets import StubDroplets

NOW = "2026-01-02T03:04:05Z"
Body = dict[str, Any]

VALKEY_CONFIG: Body = {
    "frequent_snapshots": True,
    "valkey_acl_channels_default": "allchannels",
    "valkey_active_expire_effort": 1,
    "valkey_io_threads": 1,
    "valkey_lfu_decay_time": 1,
    "valkey_lfu_log_factor": 10,
    "valkey_maxmemory_policy": "noeviction",
    "valkey_notify_keyspace_events": "",
    "valkey_number_of_databases": 16,
    "valkey_persistence": "rdb",
    "valkey_pubsub_client_output_buffer_limit": 64,
    "valkey_ssl": True,
    "valkey_timeout": 300,
}


def identifier(*parts: str) -> str:
    """A stable UUID for a thing of this name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    body: Any
    token: str


@dataclass
class Fault:
    """An answer given in place of the real one to the next requests that match."""

    method: str
    path: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "injected"
    body: Body | None = None


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, message: str, identity: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "id": identity or {404: "not_found", 422: "unprocessable_entity"}.get(status, "error"),
            "message": message,
            "request_id": "req-1",
        }


class StubApi:
    """The API's state and its HTTP server. Use as a context manager; `url` is the endpoint."""

    def __init__(self) -> None:
        self.reset()
        self.lock = threading.RLock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                body = json.loads(raw) if raw else None
                token = self.headers.get("Authorization", "")
                status, answer, headers = stub.answer(Request(self.command, self.path, body, token))
                payload = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: object) -> None:
                """The journal is the log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def reset(self) -> None:
        """Makes the world new.

        journal: every request. faults: answers given instead of the real ones. store: what exists, by path.
        polls_until_ready: how often a new cluster, replica or deployment is asked for before it is ready.
        failed_step: a step at which deployments fail.
        """
        self.journal: list[Request] = []
        self.faults: list[Fault] = []
        self.store: dict[str, Body] = {}
        self.droplets = StubDroplets(self.store)
        self.busy: dict[str, int] = {}
        self.polls_until_ready = 0
        self.failed_step: Body | None = None

    def __enter__(self) -> "StubApi":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: Request) -> tuple[int, Body | None, dict[str, str]]:
        """The status, body and headers for a request; the request is written to the journal."""
        with self.lock:
            self.journal.append(request)
            for fault in self.faults:
                if fault.times and fault.method == request.method and request.path.startswith(fault.path):
                    fault.times -= 1
                    answer = fault.body or ApiError(fault.status, fault.message).body
                    return fault.status, answer, fault.headers
            path, _, query = request.path.partition("?")
            parts = path.strip("/").split("/")
            try:
                if parts[0] == "client":
                    status, body = self._cloudflare(request.method, parts[2:], request.body, query)
                else:
                    status, body = self._digitalocean(request.method, parts[1:], request.body or {})
                # A copy: what is stored must not change through an answer already given.
                return status, json.loads(json.dumps(body)), {}
            except ApiError as error:
                return error.status, error.body, {}

    def changes(self) -> list[Request]:
        """The requests that change something."""
        with self.lock:
            return [request for request in self.journal if request.method != "GET"]

    # -- what the others are made of

    def _get(self, key: str) -> Body:
        if key not in self.store:
            raise ApiError(404, "The resource you requested could not be found.")
        return self.store[key]

    def _list(self, prefix: str) -> list[Body]:
        depth = prefix.count("/")
        return [v for k, v in self.store.items() if k.startswith(prefix) and k.count("/") == depth]

    def _poll(self, key: str) -> bool:
        """True once a thing has been asked for often enough to be ready."""
        left = self.busy.get(key, 0)
        self.busy[key] = max(0, left - 1)
        return left == 0

    # -- DigitalOcean

    def _digitalocean(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        handlers: dict[str, Callable[[str, list[str], Body], tuple[int, Body | None]]] = {
            "vpcs": self._vpcs,
            "databases": self._databases,
            "apps": self._apps,
            "monitoring": self._monitoring,
            "spaces": self._spaces_keys,
            "tags": self._tags,
            **self.droplets.handlers,
        }
        handler = handlers.get(parts[0])
        if handler is None:
            raise ApiError(501, f"not implemented: {method} /v2/{'/'.join(parts)}")
        try:
            return handler(method, parts[1:], body)
        except KeyError as missing:
            raise ApiError(404, f"The resource you requested could not be found: {missing}") from missing

    def _crud(
        self, method: str, prefix: str, root: str, roots: str, parts: list[str], body: Body, make: Callable[[], Body]
    ) -> tuple[int, Body | None]:
        """Create, list, read, merge-update and delete of a flat collection keyed by `id` or `uuid`."""
        if not parts:
            if method == "GET":
                items = self._list(prefix)
                return 200, {roots: items, "links": {}, "meta": {"total": len(items)}}
            item = make()
            self.store[prefix + str(item.get("id") or item["uuid"])] = item
            return 201, {root: item}
        item = self._get(prefix + parts[0])
        if method == "DELETE":
            del self.store[prefix + parts[0]]
            return 204, None
        if method in ("PUT", "PATCH"):
            item.update(body)
        return 200, {root: item}

    def _vpcs(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        def make() -> Body:
            identity = identifier("vpc", body["name"])
            made = {"description": "", "ip_range": "10.116.0.0/20", "default": False, "created_at": NOW}
            return made | body | {"id": identity, "urn": f"do:vpc:{identity}"}

        if method == "DELETE" and any(
            v.get("private_network_uuid") == parts[0] for k, v in self.store.items() if k.count("/") == 1
        ):
            raise ApiError(403, "Can not delete VPC with members", "forbidden")
        return self._crud(method, "vpcs/", "vpc", "vpcs", parts, body, make)

    def _spaces_keys(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        def make() -> Body:
            access_key = f"DO00-{body['name']}"
            return {"id": access_key, "access_key": access_key, "created_at": NOW, "grants": [], **body}

        status, answer = self._crud(method, "spaces/keys/", "key", "keys", parts[1:], body, make)
        if status == 201 and answer is not None:
            answer = {"key": {**answer["key"], "secret_key": f"secret-of-{body['name']}"}}
        return status, answer

    def _connection(self, host: str, port: int, database: str, user: str, password: str) -> Body:
        uri = f"postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=require"
        return {
            "protocol": "postgresql",
            "uri": uri,
            "database": database,
            "host": host,
            "port": port,
            "user": user,
            "password": password,
            "ssl": True,
        }

    def _connections(self, name: str, port: int, database: str, user: str, password: str) -> Body:
        return {
            "connection": self._connection(f"{name}.example", port, database, user, password),
            "private_connection": self._connection(f"private-{name}.example", port, database, user, password),
        }

    def _valkey_connections(self, name: str) -> Body:
        def connection(host: str) -> Body:
            way_in = self._connection(host, 25061, "", "default", "password-of-default")
            uri = f"rediss://default:password-of-default@{host}:25061"
            return way_in | {"protocol": "rediss", "uri": uri}

        return {
            "connection": connection(f"{name}.example"),
            "private_connection": connection(f"private-{name}.example"),
        }

    def _databases(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        if not parts:
            if method == "GET":
                items = self._list("databases/")
                return 200, {"databases": items, "links": {}, "meta": {"total": len(items)}}
            identity = identifier("database", body["name"])
            storage = body.get("storage_size_mib") or {"db-s-1vcpu-1gb": 10240}.get(body["size"], 30720)
            cluster: Body = {
                "id": identity,
                **body,
                "storage_size_mib": storage,
                "private_network_uuid": body.get("private_network_uuid") or identifier("vpc", "default"),
                "project_id": body.get("project_id") or identifier("project", "default"),
                "created_at": NOW,
                "status": "creating",
                "maintenance_window": {"day": "sunday", "hour": "02:00:00", "pending": False, "description": []},
                "metrics_endpoints": [{"host": f"{body['name']}.example", "port": 9273}],
                "tags": body.get("tags") or [],
                **self._connections(body["name"], 25060, "defaultdb", "doadmin", "password-of-doadmin"),
            }
            if body["engine"] == "valkey":
                cluster |= self._valkey_connections(body["name"])
            cluster.pop("rules", None)
            self.store[f"databases/{identity}"] = cluster
            self.busy[f"databases/{identity}"] = self.polls_until_ready
            return 201, {"database": cluster}
        key = f"databases/{parts[0]}"
        if parts[1:] == ["resize"] and key not in self.store:
            replica = next((item for item in self.store.values() if item.get("id") == parts[0]), None)
            if replica is not None:
                replica.update(body, status="resizing")
                return 202, None
        cluster = self._get(key)
        if len(parts) == 1:
            if method == "DELETE":
                for inner in [k for k in self.store if k.startswith(key)]:
                    del self.store[inner]
                return 204, None
            if self._poll(key):
                cluster["status"] = "online"
            return 200, {"database": cluster}
        return self._in_cluster(method, key, cluster, parts[1:], body)

    def _in_cluster(
        self, method: str, key: str, cluster: Body, parts: list[str], body: Body
    ) -> tuple[int, Body | None]:
        kind, name = parts[0], parts[1] if len(parts) > 1 else ""
        if kind in ("resize", "migrate", "upgrade", "maintenance"):
            if kind == "maintenance":
                cluster["maintenance_window"] = body | {"hour": body["hour"] + ":00", "pending": False}
                return 204, None
            if kind != "upgrade":
                self.busy[key] = self.polls_until_ready
                cluster["status"] = "resizing" if kind == "resize" else "migrating"
            cluster.update({k: v for k, v in body.items() if v != ""})
            return (204 if kind == "upgrade" else 202), None
        if kind == "autoscale":
            if method == "PUT":
                cluster["autoscale"] = body
                return 204, None
            return 200, {"autoscale": cluster.get("autoscale") or {"storage": {"enabled": False}}}
        if kind == "eviction_policy":
            if method == "PUT":
                cluster["eviction_policy"] = body["eviction_policy"]
                return 204, None
            return 200, {"eviction_policy": cluster.get("eviction_policy", "noeviction")}
        if kind == "ca":
            return 200, {"ca": {"certificate": "LS0tLS1DRVJUSUZJQ0FURS0tLS0t"}}
        if kind == "config":
            initial = VALKEY_CONFIG if cluster["engine"] == "valkey" else {"max_connections": 25, "jit": True}
            stored = self.store.setdefault(f"{key}/config/", {"config": dict(initial)})
            if method == "PATCH":
                stored["config"].update(body["config"])
                return 200, None
            return 200, stored
        if kind == "firewall":
            if method == "PUT":
                self.store[f"{key}/firewall/"] = {
                    "rules": [
                        {
                            "uuid": rule["uuid"] or identifier(key, rule["type"], rule["value"]),
                            "cluster_uuid": cluster["id"],
                            "type": rule["type"],
                            "value": rule["value"],
                            "created_at": NOW,
                        }
                        for rule in sorted(body["rules"], key=lambda rule: str(rule["value"]))
                    ]
                }
                return 204, None
            return 200, self.store.get(f"{key}/firewall/", {"rules": []})
        root = {"dbs": "db", "users": "user", "pools": "pool", "replicas": "replica"}.get(kind)
        if root is None:
            raise ApiError(501, f"not implemented: {method} {kind}")
        if not name:
            item = dict(body)
            if kind == "users":
                item |= {"role": "normal", "password": f"password-of-{body['name']}"}
            elif kind == "pools":
                user = body["user"] or "doadmin"
                item |= self._connections(cluster["name"], 25061, body["name"], user, f"password-of-{user}")
            elif kind == "replicas":
                item |= {
                    "id": identifier("replica", body["name"]),
                    "status": "creating",
                    "created_at": NOW,
                    "storage_size_mib": body.get("storage_size_mib") or 61440,
                    "tags": body.get("tags") or [],
                    "private_network_uuid": body.get("private_network_uuid") or cluster["private_network_uuid"],
                    **self._connections(
                        f"replica-{body['name']}", 25060, "defaultdb", "doadmin", "password-of-doadmin"
                    ),
                }
                self.busy[f"{key}/replicas/{body['name']}"] = self.polls_until_ready
            self.store[f"{key}/{kind}/{body['name']}"] = item
            return 201, {root: item}
        item = self._get(f"{key}/{kind}/{name}")
        if method == "DELETE":
            del self.store[f"{key}/{kind}/{name}"]
            return 204, None
        if kind == "replicas" and self._poll(f"{key}/replicas/{name}"):
            item["status"] = "online"
        return 200, {root: item}

    def _apps(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        def deploy(app: Body, spec: Body) -> Body:
            count = int(app.get("deployments", 0)) + 1
            deployment = identifier("deployment", spec["name"], str(count))
            self.busy[f"deployments/{deployment}"] = self.polls_until_ready
            return {
                "deployments": count,
                "spec": self._with_app_defaults(spec),
                "pending_deployment": {"id": deployment},
                "active_deployment": {"id": deployment},
                "updated_at": NOW,
            }

        if not parts:
            identity = identifier("app", body["spec"]["name"])
            app: Body = {
                "id": identity,
                "owner_uuid": identifier("owner"),
                "project_id": body.get("project_id") or identifier("project", "default"),
                "default_ingress": f"https://{body['spec']['name']}.example",
                "live_url": f"https://{body['spec']['name']}.example",
                "live_domain": f"{body['spec']['name']}.example",
                "created_at": NOW,
            }
            self.store[f"apps/{identity}"] = app | deploy(app, body["spec"])
            return 200, {"app": self.store[f"apps/{identity}"]}
        app = self._get(f"apps/{parts[0]}")
        if len(parts) == 3 and parts[1] == "deployments":
            ready = self._poll(f"deployments/{parts[2]}")
            step: Body = {"name": "build", "status": "SUCCESS" if ready else "RUNNING"}
            if self.failed_step is not None:
                step = self.failed_step | {"status": "ERROR"}
            failed = int(step["status"] == "ERROR")
            progress = {"steps": [step], "total_steps": 1, "success_steps": int(ready), "error_steps": failed}
            return 200, {"deployment": {"id": parts[2], "phase": "ACTIVE", "progress": progress}}
        if len(parts) > 1 and parts[1] == "alerts":
            return 200, self._app_alerts(app, parts[2:], body)
        if method == "DELETE":
            del self.store[f"apps/{parts[0]}"]
            return 200, {"id": parts[0]}
        if method == "PUT":
            app.update(deploy(app, body["spec"]))
        return 200, {"app": app}

    @staticmethod
    def _app_alerts(app: Body, parts: list[str], body: Body) -> Body:
        """The alerts of an app: one for each rule of the spec, with an id of its own."""
        components = [component for kind in ("services", "workers", "jobs") for component in app["spec"].get(kind, [])]
        rules = [alert for holder in (app["spec"], *components) for alert in holder.get("alerts", [])]
        alerts = [{"id": identifier(app["id"], rule["rule"]), "spec": rule} for rule in rules]
        if not parts:
            return {"alerts": alerts}
        return {"alert": next(alert for alert in alerts if alert["id"] == parts[0]) | body}

    @staticmethod
    def _with_app_defaults(spec: Body) -> Body:
        """What App Platform adds to a spec: it encrypts secrets, hides GENERAL and makes an ingress."""

        def variables(envs: list[Body]) -> list[Body]:
            shown = []
            for given in sorted(envs, key=lambda env: str(env["key"])):
                env = dict(given)
                if env.get("type") == "SECRET" and not env["value"].startswith("EV[1:"):
                    env["value"] = f"EV[1:{identifier('secret', env['value'])}]"
                if env.get("type") == "GENERAL":
                    del env["type"]
                shown.append(env)
            return shown

        spec = dict(spec)
        for kind in ("services", "workers", "jobs", "static_sites", "functions"):
            if kind in spec:
                spec[kind] = [
                    component | ({"envs": variables(component["envs"])} if "envs" in component else {})
                    for component in spec[kind]
                ]
        if "envs" in spec:
            spec["envs"] = variables(spec["envs"])
        if spec.get("services") and "ingress" not in spec:
            spec["ingress"] = {
                "rules": [
                    {"match": {"path": {"prefix": "/"}}, "component": {"name": service["name"]}}
                    for service in spec["services"]
                ]
            }
        return spec

    def _monitoring(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        def make() -> Body:
            return body | {"uuid": identifier("alert", body["description"])}

        return self._crud(method, "monitoring/alerts/", "policy", "policies", parts[1:], body, make)

    def _tags(self, method: str, parts: list[str], body: Body) -> tuple[int, Body | None]:
        counts = {k: {"count": 0} for k in ("droplets", "images", "volumes", "volume_snapshots", "databases")}
        if not parts:
            self.store[f"tags/{body['name']}"] = {"name": body["name"], "resources": {"count": 0} | counts}
            return 201, {"tag": self.store[f"tags/{body['name']}"]}
        if len(parts) == 2:
            for resource in body["resources"]:
                if resource["resource_type"] != "database":
                    kind, identity = resource["resource_type"], resource["resource_id"]
                    self.droplets.tag(kind, identity, parts[0], add=method == "POST")
                    continue
                cluster = self._get(f"databases/{resource['resource_id']}")
                kept = [t for t in cluster["tags"] if t != parts[0]]
                cluster["tags"] = kept + ([parts[0]] if method == "POST" else [])
            return 204, None
        raise AssertionError(parts)

    # -- Cloudflare

    def _cloudflare(self, method: str, parts: list[str], body: Body | None, query: str) -> tuple[int, Body | None]:
        def envelope(result: Any) -> Body:
            return {"success": True, "errors": [], "messages": [], "result": result}

        zone = {"id": "a" * 32, "name": "villa.cash", "status": "active", "paused": False, "type": "full"}
        if len(parts) == 1:
            return 200, envelope([zone] if "name=villa.cash" in query else [])
        if len(parts) == 2:
            return 200, envelope(zone)
        if len(parts) == 3:
            assert body is not None
            identity = identifier("record", body["name"], body["type"]).replace("-", "")
            made = {"proxied": False, "ttl": 1, "proxiable": True, "created_on": NOW, "modified_on": NOW}
            self.store[f"records/{identity}"] = (
                made | {"settings": {}, "meta": {}, "tags": []} | body | {"id": identity}
            )
            return 200, envelope(self.store[f"records/{identity}"])
        record = self._get(f"records/{parts[3]}")
        if method == "DELETE":
            del self.store[f"records/{parts[3]}"]
            return 200, envelope({"id": parts[3]})
        if method in ("PUT", "PATCH"):
            record.update(body or {})
        return 200, envelope(record)
