"""Bindable variables: what ${component.NAME} in an app's environment becomes when a deployment starts."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from localcloud.app_specs import components
from localcloud.networks import PRIVATE_HOST, PUBLIC_HOST, connection
from localcloud.records import App, Cluster, User
from localcloud.state import Tables
from localcloud.vault import Vault

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_MAX_DEPTH = 10
"""Variables may refer to others; more steps than this are a circle."""

Environment = dict[str, str]


class Unresolved(ValueError):
    """A reference nothing answers to. The text names the variable, the reference and what there is."""


class Resolver:
    """Resolves the environments of one app's components against the clusters as they are now."""

    def __init__(self, app: App, spec: Mapping[str, Any], tables: Tables, vault: Vault, ca_certificate: str) -> None:
        self._app = app
        self._spec = spec
        self._tables = tables
        self._vault = vault
        self._ca_certificate = ca_certificate

    def environments(self) -> dict[str, Environment]:
        """Component to its run-time environment. Raises Unresolved."""
        common = self._plain(self._spec)
        return {
            component["name"]: self._resolve(component["name"], common | self._plain(component))
            for _, component in components(self._spec)
        }

    def _plain(self, owner: Mapping[str, Any]) -> Environment:
        """Run-time variables with secrets opened, references still in them."""
        found: Environment = {}
        for variable in owner.get("envs") or ():
            if variable.get("scope") == "BUILD_TIME":
                continue
            value = variable.get("value") or ""
            found[variable["key"]] = self._vault.open(value) if self._vault.is_sealed(value) else value
        return found

    def _resolve(self, component: str, raw: Environment) -> Environment:
        def value_of(key: str, text: str, depth: int) -> str:
            if depth > _MAX_DEPTH:
                raise Unresolved(f"{component}: {key} refers to itself in a circle.")

            def replace(match: re.Match[str]) -> str:
                name = match[1].removeprefix("_self.")
                if name in raw and name != key:
                    return value_of(name, raw[name], depth + 1)
                value = self._bindable(name)
                if value is None:
                    raise Unresolved(f"{component}: {key} refers to {match[0]}, {self._explain(name)}")
                return value

            return _REFERENCE.sub(replace, text)

        return {key: value_of(key, text, 0) for key, text in raw.items()}

    def _bindable(self, name: str) -> str | None:
        owner, _, rest = name.partition(".")
        if not rest:
            return self._app_variables().get(name)
        for database in self._spec.get("databases") or ():
            if database["name"] == owner:
                return self._database_variable(database, rest)
        for kind, component in components(self._spec):
            if component["name"] == owner:
                return self._component_variables(kind, component).get(rest)
        return None

    def _app_variables(self) -> Environment:
        return {
            "APP_DOMAIN": self._app.ingress_host,
            "APP_URL": f"https://{self._app.ingress_host}",
            "APP_ID": self._app.id,
        }

    def _component_variables(self, kind: str, component: Mapping[str, Any]) -> Environment:
        found = {"COMMIT_HASH": ""} if not component.get("image") else {}
        if kind in ("services", "static_sites"):
            found |= {
                "PUBLIC_DOMAIN": self._app.ingress_host,
                "PUBLIC_URL": f"https://{self._app.ingress_host}",
                "PUBLIC_ROUTE_PATH": "/",
            }
        if kind == "services":
            port = str(component.get("http_port", ""))
            found |= {
                "PRIVATE_DOMAIN": component["name"],
                "PRIVATE_PORT": port,
                "PRIVATE_URL": f"http://{component['name']}:{port}",
            }
        return found

    def _database_variable(self, database: Mapping[str, Any], name: str) -> str | None:
        cluster = self._cluster(database)
        if cluster is None or cluster.status in ("creating", "forking"):
            raise Unresolved(f"databases.{database['name']}: the cluster {database['cluster_name']} is not online.")
        pool_name, _, field = name.rpartition(".")
        if pool_name:
            pool = cluster.pool(pool_name)
            if pool is None:
                return None
            user = cluster.user(pool.user) if pool.user else self._user(cluster, database)
            return self._way_in(cluster.pool_port, pool.name, user or cluster.admin).get(field)
        target = "" if cluster.engine == "valkey" else database.get("db_name") or "defaultdb"
        return self._way_in(cluster.port, target, self._user(cluster, database)).get(field)

    def _way_in(self, port: int, target: str, user: User) -> Environment:
        """target: a database or a pool; "" for a Valkey, whose databases have numbers."""
        protocol = "postgresql" if target else "rediss"
        public, private = (connection(host, port, target, user, protocol) for host in (PUBLIC_HOST, PRIVATE_HOST))
        found = {
            "HOSTNAME": PUBLIC_HOST,
            "PRIVATE_HOSTNAME": PRIVATE_HOST,
            "PORT": str(port),
            "USERNAME": user.name,
            "PASSWORD": user.password,
            "CA_CERT": self._ca_certificate,
            "DATABASE_URL": public["uri"],
            "DATABASE_PRIVATE_URL": private["uri"],
        }
        if target:
            place = f"jdbc:postgresql://{PUBLIC_HOST}:{port}/{quote(target, safe='')}?sslmode=require"
            account = f"&user={quote(user.name, safe='')}&password={quote(user.password, safe='')}"
            found |= {"DATABASE": target, "JDBC_DATABASE_URL": place + account}
        return found

    def _cluster(self, database: Mapping[str, Any]) -> Cluster | None:
        wanted = database["cluster_name"]
        return next(
            (item for item in self._tables.clusters.values() if item.name == wanted and not item.deleting), None
        )

    @staticmethod
    def _user(cluster: Cluster, database: Mapping[str, Any]) -> User:
        return cluster.user(database.get("db_user") or "") or cluster.admin

    def _explain(self, name: str) -> str:
        owner, _, rest = name.partition(".")
        databases = [database["name"] for database in self._spec.get("databases") or ()]
        others = [component["name"] for _, component in components(self._spec)]
        if rest and owner in databases:
            return f"and the database component {owner} has no variable {rest}."
        if rest and owner in others:
            return f"and the component {owner} has no variable {rest}."
        known = ", ".join([*databases, *others, *self._app_variables()])
        return f"which is unknown. There are: {known}."
