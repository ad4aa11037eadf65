"""App specs: what makes one valid, what DigitalOcean fills in, and how secrets in them are kept."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud import catalogue
from localcloud.state import Tables
from localcloud.vault import NotSealedHere, Vault

KINDS = ("services", "static_sites", "workers", "jobs", "functions")
"""Lists of components that are built from a source. "databases" is the sixth list."""

_SOURCES = ("git", "github", "gitlab", "bitbucket", "image")
_NAME = re.compile(r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")
_VARIABLE = re.compile(r"^[_A-Za-z][_A-Za-z0-9]*$")
_DOMAIN = re.compile(r"^((xn--)?[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*\.)+[a-zA-Z]{2,}\.?$")
_SCOPES = ("UNSET", "RUN_TIME", "BUILD_TIME", "RUN_AND_BUILD_TIME")
_TYPES = ("GENERAL", "SECRET")
_DOMAIN_TYPES = ("UNSPECIFIED", "DEFAULT", "PRIMARY", "ALIAS")
_ENGINES = {"PG": "pg", "VALKEY": "valkey"}
_FIRST_PORT = 8080
"""`http_port` of a service that names none."""


SIZES = {
    entry.split()[0]: int(entry.split()[1])
    for entry in """
apps-s-1vcpu-0.5gb 5; apps-s-1vcpu-1gb-fixed 10; apps-s-1vcpu-1gb 12; apps-s-1vcpu-2gb 25; apps-s-2vcpu-4gb 50
apps-d-1vcpu-0.5gb 29; apps-d-1vcpu-1gb 34; apps-d-1vcpu-2gb 39; apps-d-1vcpu-4gb 49; apps-d-2vcpu-4gb 78
apps-d-2vcpu-8gb 98; apps-d-4vcpu-8gb 156; apps-d-4vcpu-16gb 196; apps-d-8vcpu-32gb 392
""".strip()
    .replace("\n", ";")
    .split(";")
}
"""Instance sizes with their price in US dollars a month. "s" shares processors, "d" has its own."""


class SpecRefused(ValueError):
    """A spec that cannot be deployed. The text names the field and what is allowed."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f'error validating app spec field "{field}": {what}')


class DevelopmentDatabase(Exception):
    """A database that is not a cluster's, which App Platform would make. The text names it."""


def components(spec: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every component that runs or is built, with the list it stands in."""
    for kind in KINDS:
        for component in spec.get(kind) or ():
            yield kind, component


def cost(spec: Mapping[str, Any]) -> int:
    """US dollars a month of the instances whose size is known."""
    priced = [item for _, item in components(spec) if item.get("instance_size_slug") in SIZES]
    return sum(SIZES[item["instance_size_slug"]] * (item.get("instance_count") or 1) for item in priced)


def check(spec: Mapping[str, Any], tables: Tables) -> None:
    """Raises SpecRefused for the first thing that is wrong."""
    _check_name("name", spec.get("name"))
    _check_place(spec, tables)
    names: set[str] = set()
    for field, component in [*components(spec), *(("databases", item) for item in spec.get("databases") or ())]:
        name = component.get("name")
        _check_name(f"{field}.name", name)
        if name in names:
            raise SpecRefused(f"{field}.name", f"{name} is the name of two components; each must be unique in the app.")
        names.add(str(name))
    if not names:
        raise SpecRefused("services", "an app needs at least one component.")
    _check_variables("envs", spec.get("envs") or ())
    for field, component in components(spec):
        _check_component(field, component)
    for database in spec.get("databases") or ():
        _check_database(database, tables)
    for domain in spec.get("domains") or ():
        if not _DOMAIN.match(str(domain.get("domain", ""))):
            raise SpecRefused("domains.domain", f"{domain.get('domain')!r} is not a host name such as app.example.com.")
        if domain.get("type", "UNSPECIFIED") not in _DOMAIN_TYPES:
            raise SpecRefused("domains.type", f"allowed: {', '.join(_DOMAIN_TYPES)}.")


def complete(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with what DigitalOcean adds to the ones it echoes: ports of services and the ingress rules.

    Nothing else is added: the official provider would show any other addition as a change.
    """
    filled = dict(spec)
    if spec.get("services"):
        filled["services"] = [
            service
            if service.get("http_port") or service.get("internal_ports")
            else service | {"http_port": _FIRST_PORT}
            for service in spec["services"]
        ]
    if not (spec.get("ingress") or {}).get("rules"):
        rules = [rule for _, component in _public(spec) for rule in _rules(component)]
        if rules:
            filled["ingress"] = {**(spec.get("ingress") or {}), "rules": rules}
    return filled


def seal(spec: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    """The spec with every SECRET value sealed. Sealed values that came back from a client stay what they are.

    Raises SpecRefused for a sealed value of another account.
    """

    def seal_value(variable: dict[str, Any]) -> dict[str, Any]:
        value = variable.get("value") or ""
        if variable.get("type") != "SECRET" or not value:
            return variable
        if not vault.is_sealed(value):
            return {**variable, "value": vault.seal(value)}
        try:
            vault.open(value)
        except NotSealedHere:
            raise SpecRefused(
                f"envs.{variable.get('key')}", "the encrypted value was not made by this account; send the plain one."
            ) from None
        return variable

    return _map_variables(spec, seal_value)


def _map_variables(spec: Mapping[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    def changed(owner: Mapping[str, Any]) -> dict[str, Any]:
        if not owner.get("envs"):
            return dict(owner)
        return {**owner, "envs": [change(variable) for variable in owner["envs"]]}

    result = changed(spec)
    for kind in KINDS:
        if spec.get(kind):
            result[kind] = [changed(component) for component in spec[kind]]
    return result


def _check_name(field: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise SpecRefused(
            field, f"{name!r}: allowed are 2 to 32 lower-case letters, digits and dashes, a letter first, no dash last."
        )


def _check_place(spec: Mapping[str, Any], tables: Tables) -> None:
    regions = dict.fromkeys(region.app_region for region in catalogue.REGIONS.values())
    region = spec.get("region") or ""
    if region and region not in regions:
        raise SpecRefused("region", f"{region}: there is no such region. Allowed: {', '.join(regions)}.")
    vpc_id = (spec.get("vpc") or {}).get("id")
    if not vpc_id:
        return
    vpc = tables.vpcs.get(vpc_id)
    if vpc is None:
        raise SpecRefused("vpc.id", f"{vpc_id}: there is no VPC with this id.")
    if region and catalogue.REGIONS[vpc.region].app_region != region:
        raise SpecRefused("vpc.id", f"the VPC {vpc.name} is in {vpc.region}, the app in {region}.")


def _check_component(field: str, component: Mapping[str, Any]) -> None:
    where = f"{field}.{component['name']}"
    given = [source for source in _SOURCES if component.get(source)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise SpecRefused(where, f"exactly one source is needed ({', '.join(_SOURCES)}); found {found}.")
    image = component.get("image")
    if image and not image.get("repository"):
        raise SpecRefused(f"{where}.image.repository", "an image needs a repository.")
    if image and image.get("tag") and image.get("digest"):
        raise SpecRefused(f"{where}.image", "give a tag or a digest, not both.")
    port = component.get("http_port") or _FIRST_PORT
    if not isinstance(port, int) or not 1 <= port <= 65535:
        raise SpecRefused(f"{where}.http_port", f"{port}: allowed are 1 to 65535.")
    count = component.get("instance_count")
    if count is not None and (not isinstance(count, int) or count < 0):
        raise SpecRefused(f"{where}.instance_count", f"{count}: not a number of instances.")
    path = (component.get("health_check") or {}).get("http_path")
    if path and not path.startswith("/"):
        raise SpecRefused(f"{where}.health_check.http_path", f"{path}: a path starts with a slash.")
    _check_variables(f"{where}.envs", component.get("envs") or ())


def _check_variables(field: str, variables: Any) -> None:
    seen: set[str] = set()
    for variable in variables:
        key = str(variable.get("key", ""))
        if not _VARIABLE.match(key):
            raise SpecRefused(field, f"{key!r}: allowed are letters, digits and underscores, no digit first.")
        if key in seen:
            raise SpecRefused(field, f"{key} is given twice.")
        seen.add(key)
        if (variable.get("scope") or "UNSET") not in _SCOPES:
            raise SpecRefused(f"{field}.{key}.scope", f"allowed: {', '.join(_SCOPES)}.")
        if (variable.get("type") or "GENERAL") not in _TYPES:
            raise SpecRefused(f"{field}.{key}.type", f"allowed: {', '.join(_TYPES)}.")


def _check_database(database: Mapping[str, Any], tables: Tables) -> None:
    where = f"databases.{database['name']}"
    if not database.get("production"):
        raise DevelopmentDatabase(where)
    engine = database.get("engine") or "PG"
    if engine not in _ENGINES:
        raise SpecRefused(f"{where}.engine", f"{engine}: the local cloud runs {' and '.join(_ENGINES)} only.")
    name = database.get("cluster_name")
    cluster = next((item for item in tables.clusters.values() if item.name == name and not item.deleting), None)
    if cluster is None:
        raise SpecRefused(f"{where}.cluster_name", f"there is no database cluster called {name!r}.")
    title = catalogue.RUNNING[cluster.engine].title
    if (engine == "PG") != cluster.postgresql:
        raise SpecRefused(f"{where}.engine", f"{engine}: {name} runs {title}.")
    if database.get("version") and database["version"] != cluster.version:
        raise SpecRefused(f"{where}.version", f"{database['version']}: {name} runs {title} {cluster.version}.")
    if database.get("db_name") and database["db_name"] not in cluster.databases:
        raise SpecRefused(f"{where}.db_name", f"{name} has no database {database['db_name']}.")
    if database.get("db_user") and cluster.user(database["db_user"]) is None:
        raise SpecRefused(f"{where}.db_user", f"{name} has no user {database['db_user']}.")


def _public(spec: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((kind, item) for kind, item in components(spec) if kind in ("services", "static_sites", "functions"))


def _rules(component: Mapping[str, Any]) -> list[dict[str, Any]]:
    # A service with internal ports and no route is not reachable from outside.
    routes = component.get("routes") or ([] if component.get("internal_ports") else [{"path": "/"}])
    return [
        {"match": {"path": {"prefix": route.get("path", "/")}}, "component": {"name": component["name"]}}
        for route in routes
    ]
