"""How an app reaches its database."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from pulumi_policy import Severity

from .fields import UNKNOWN, Fields
from .kinds import APP, CACHES, POOL, POOL_SIZE, REPLICA
from .passwords import names_secret, secret_in
from .prices import APP_PARTS
from .resources import Resource, Stack, is_attached, postgresql
from .rules import Config, Finding, ResourceRule, Rule, StackRule

_APPS = "https://docs.digitalocean.com/products/app-platform/how-to"
_DATABASES = "https://docs.digitalocean.com/products/databases/postgresql"

ADMINISTRATOR = "doadmin"
DIRECT_PORT = 25060
_HOST = re.compile(r"[a-z0-9.-]+\.db\.ondigitalocean\.com", re.IGNORECASE)
_DIRECT = re.compile(rf"\bport[\"']?\s*[=:]\s*[\"']?{DIRECT_PORT}\b", re.IGNORECASE)
_SSLMODE = re.compile(r"\bsslmode[\"']?\s*[=:]\s*[\"']?([\w-]+)", re.IGNORECASE)
_URI = re.compile(r"(?:jdbc:)?postgres(?:ql)?(?:\+\w+)?://\S+", re.IGNORECASE)
# What App Platform fills in from an attached cluster: its public host and direct port.
_BINDABLE = re.compile(r"\$\{([a-z0-9-]+)\.(DATABASE_URL|HOSTNAME|PORT)\}")
_REFERENCES = re.compile(r"(\$\{[^}]+\})+")
_AS_ADMINISTRATOR = re.compile(r"(//|\buser(name)?[\"']?\s*[=:]\s*[\"']?)doadmin\b|^doadmin$", re.IGNORECASE)
_VERIFIED = {"verify-full", "verify-ca"}


def _variables(app: Resource) -> Iterator[tuple[str, Fields]]:
    """Every variable of an app and of its components, with its name."""
    spec = app.fields.object("spec")
    owners = [spec, *(component for part in APP_PARTS for component in spec.objects(part))]
    for owner in owners:
        for variable in owner.objects("envs"):
            yield str(variable.get("key") or ""), variable


def _text(variable: Fields) -> str:
    value = variable.get("value")
    return value if isinstance(value, str) else ""


def _not_administrator(resource: Resource, _config: Config) -> Iterator[str]:
    if resource.type in (POOL, POOL_SIZE):
        in_place = resource.type == POOL_SIZE
        fields = resource.fields.object("body") if in_place else resource.fields
        if fields.get("user") == ADMINISTRATOR:
            yield f"The pool {resource.fields.get('of') if in_place else resource.called} logs in as {ADMINISTRATOR}."
        return
    for database in resource.fields.object("spec").objects("databases"):
        if not _is_managed(database):
            continue
        if not database.has("dbUser"):
            yield f"{resource.called} names no dbUser for {database.get('name')}, so it gets {ADMINISTRATOR}."
        elif database.get("dbUser") == ADMINISTRATOR:
            yield f"{resource.called} logs in to {database.get('name')} as {ADMINISTRATOR}."
    for key, variable in _variables(resource):
        if _AS_ADMINISTRATOR.search(unquote(_text(variable))):
            yield f"{resource.called}, variable {key}: the user is {ADMINISTRATOR}."


def _endpoint(resource: Resource, _config: Config) -> Iterator[str]:
    managed = {
        database.get("name")
        for database in resource.fields.object("spec").objects("databases")
        if _is_managed(database) and _engine(database) == "PG"
    }
    for key, variable in _variables(resource):
        value = _text(variable)
        for component, name in _BINDABLE.findall(value):
            if component in managed:
                yield (
                    f"{resource.called}, variable {key}: ${{{component}.{name}}} is the cluster's public host and "
                    "direct port."
                )
        if value == str(DIRECT_PORT) and key.upper().endswith("PORT"):
            yield f"{resource.called}, variable {key}: {DIRECT_PORT} is the direct port; a pool is on 25061."
        for host in _HOST.findall(value):
            if not host.lower().startswith("private-"):
                yield f"{resource.called}, variable {key}: {host} is a public host."
        if _DIRECT.search(value) and "replica-" not in value:
            yield f"{resource.called}, variable {key}: {DIRECT_PORT} is the direct port; a pool is on 25061."
        for uri in _URI.findall(value):
            host, port = _address(uri)
            # A replica has no pools; its direct port is the only one.
            if port == DIRECT_PORT and "replica-" not in host:
                yield f"{resource.called}, variable {key}: {DIRECT_PORT} is the direct port; a pool is on 25061."


def _is_managed(database: Fields) -> bool:
    """Whether a component is a cluster with an administrator."""
    return is_attached(database) and _engine(database).lower() not in CACHES


def _engine(database: Fields) -> str:
    """As DigitalOcean spells it; PostgreSQL where nothing is said, or nothing known yet."""
    return str(database.get("engine") or "PG").upper()


def _production(stack: Stack, _config: Config) -> Iterator[Finding]:
    for app in stack.of(APP):
        for database in app.fields.object("spec").objects("databases"):
            if not database.get("production") and database.peek("production") is not UNKNOWN:
                yield Finding(
                    message=f"{app.called}: {database.get('name')} is a development database, on one small node and "
                    "without backups.",
                    urn=app.urn,
                )


def _address(uri: str) -> tuple[str, int | None]:
    # The password may be a reference, whose braces a parser of URIs would stumble over.
    address = uri.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host, _, port = address.partition(":")
    return host, int(port) if port.isdigit() else None


def _through_pool(stack: Stack, _config: Config) -> Iterator[Finding]:
    for app in stack.of(APP):
        for cluster in postgresql(stack):
            if not app.made_from("spec", cluster):
                continue
            ways = stack.of_cluster(cluster, POOL) + stack.of_cluster(cluster, REPLICA)
            if not any(app.made_from("spec", way) for way in ways):
                yield Finding(
                    message=f"{app.called} is built from {cluster.called} and from none of its pools.", urn=app.urn
                )


def _verified(resource: Resource, _config: Config) -> Iterator[str]:
    variables = list(_variables(resource))
    # Who knows a host alone is told by another variable how to connect.
    if not any("SSLMODE" in key.upper() or _SSLMODE.search(_text(variable)) for key, variable in variables):
        for key, variable in variables:
            if _HOST.search(_text(variable)) and not _URI.search(_text(variable)):
                yield f"{resource.called}, variable {key}: a host, and no variable says how its server is verified."
    for key, variable in variables:
        value = _text(variable)
        uris = _URI.findall(value)
        # Some clients heed the first of several, libpq the last.
        modes = [_modes(uri) for uri in uris] or [_SSLMODE.findall(value)]
        for mode in [mode for one in modes for mode in one if mode not in _VERIFIED]:
            yield f"{resource.called}, variable {key}: sslmode is {mode}, so any server may answer."
        told = key.upper().endswith("SSLMODE") and value and value not in _VERIFIED
        if told or (key, value) == ("NODE_TLS_REJECT_UNAUTHORIZED", "0"):
            yield f"{resource.called}, variable {key}: {value} verifies no server."


def _modes(uri: str) -> list[str]:
    return parse_qs(urlsplit(uri.removeprefix("jdbc:")).query).get("sslmode", ["not set"])


def _secret_type(resource: Resource, config: Config) -> Iterator[str]:
    for key, variable in _variables(resource):
        kind = variable.get("type") if variable.has("type") else "GENERAL"
        kind = kind.upper() if isinstance(kind, str) else kind
        value = _text(variable)
        # References hold nothing themselves: App Platform fills them in when a deployment starts.
        if kind != "GENERAL" or key in config["public"] or _REFERENCES.fullmatch(value):
            continue
        if value and names_secret(key):
            yield f"{resource.called}, variable {key}: its name says secret and its type is GENERAL."
        elif found := secret_in(value):
            yield f"{resource.called}, variable {key}: there is {found} in it and its type is GENERAL."


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="app-not-administrator",
        protects="An app that is broken into as doadmin can drop every database of the cluster.",
        fix="Give the app a DatabaseUser of its own, and grants in a migration.",
        source=f"{_DATABASES}/how-to/modify-user-privileges/",
        severity=Severity.CRITICAL,
        types=frozenset({APP, POOL, POOL_SIZE}),
        check=_not_administrator,
    ),
    StackRule(
        name="app-database-production",
        protects="A development database has no backups and no standby, and is deleted with its app.",
        fix="Attach a DatabaseCluster: clusterName, dbName, dbUser and production.",
        source=f"{_APPS}/manage-databases/",
        severity=Severity.HIGH,
        check=_production,
        spares_development=True,
    ),
    ResourceRule(
        name="app-private-pool",
        protects="The public host crosses the internet; the direct port takes a server process for each connection.",
        fix="Use the private host and port of a pool.",
        source=f"{_DATABASES}/concepts/best-practices/",
        severity=Severity.HIGH,
        types=frozenset({APP}),
        check=_endpoint,
    ),
    StackRule(
        name="app-through-pool",
        protects="The same, where hosts and ports are not known yet: an app made from a cluster and none of its pools.",
        fix="Build the app's variables from a DatabaseConnectionPool.",
        source=f"{_DATABASES}/how-to/manage-connection-pools/",
        severity=Severity.HIGH,
        check=_through_pool,
    ),
    ResourceRule(
        name="app-verifies-server",
        protects="sslmode=require encrypts, and sends the password to whoever answers.",
        fix="Use sslmode=verify-full and the cluster's CA certificate.",
        source="https://www.postgresql.org/docs/current/libpq-ssl.html",
        severity=Severity.HIGH,
        types=frozenset({APP}),
        check=_verified,
    ),
    ResourceRule(
        name="app-secret-type",
        protects="App Platform shows variables of type GENERAL to whoever may read the app, and prints them in logs.",
        fix="Set type to SECRET, refer to a bindable variable, or name the variable under public in the pack's config.",
        source=f"{_APPS}/use-environment-variables/",
        severity=Severity.HIGH,
        types=frozenset({APP}),
        check=_secret_type,
        config={
            "public": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "Variables that only sound secret, such as a token's public address.",
            }
        },
    ),
)
