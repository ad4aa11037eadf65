"""A program on App Platform that uses a pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.fingerprint import fingerprint
from trellis.settings.app import REFERENCE, REFERENCES

from .endpoint import SSLMODE, Endpoint, Login


@dataclass(frozen=True, kw_only=True)
class AppDatabase:
    """The pool an app uses and the cluster, database and user behind it.

    replica: the cluster's first, where it has one.
    """

    cluster: pulumi.Output[str]
    version: pulumi.Input[str]
    database: pulumi.Input[str]
    pool: pulumi.Output[str]
    endpoint: Endpoint
    login: Login
    replica: Endpoint | None = None


@dataclass(frozen=True, kw_only=True)
class AppCache:
    """The cache an app uses."""

    cluster: pulumi.Output[str]
    version: pulumi.Input[str]
    endpoint: Endpoint
    password: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class AppArgs:
    """What runs where, and what it uses.

    region: DigitalOcean region slug of the system. network_id: the VPC the app joins.
    repository, tag: of the container image, in the registry of `registry_type` ("DOCR", "DOCKER_HUB", "GHCR");
    `registry`: its owner there, empty for DigitalOcean's own.
    name: the app's, which no other of the account has; by default the component's.
    port: where the container listens. health_check: path of a request that it answers. size: slug. instances: how many.
    domains: its DNS names, the first one first. database, cache: what it uses.
    environment: variables; `${pool.url}` and the like in them are filled in, see docs/system-files.md.
    hosts: app -> its host, for `${apps.<app>.url}`.
    """

    region: pulumi.Input[str]
    network_id: pulumi.Input[str]
    repository: pulumi.Input[str]
    tag: pulumi.Input[str] = "latest"
    registry_type: pulumi.Input[str] = "DOCR"
    registry: pulumi.Input[str] | None = None
    name: pulumi.Input[str] | None = None
    port: pulumi.Input[int] = 8080
    health_check: pulumi.Input[str] = "/"
    size: pulumi.Input[str] = "apps-s-1vcpu-0.5gb"
    instances: pulumi.Input[int] = 1
    domains: Sequence[pulumi.Input[str]] = ()
    database: AppDatabase | None = None
    cache: AppCache | None = None
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    hosts: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class App(pulumi.ComponentResource):
    """Creates one App Platform app with one service, in the VPC, with a health check.

    No secret stands in the app's spec. The cluster is attached to the app, and the environment refers to it with
    App Platform's bindable variables, which are filled in when a deployment starts: DigitalOcean gives values of type
    SECRET back encrypted, and a spec that holds them differs from the program for ever. A fingerprint of the password
    in the environment makes a changed password a changed spec, and so a new deployment.

    Raises ValueError for a reference in the environment that nothing stands behind.
    """

    url: pulumi.Output[str]
    host: pulumi.Output[str]

    def __init__(self, name: str, args: AppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:app:App", name, None, opts)
        app = digitalocean.App(
            name,
            spec=digitalocean.AppSpecArgs(
                name=args.name or name,
                region=pulumi.Output.from_input(args.region).apply(lambda region: region.rstrip("0123456789")),
                vpcs=[digitalocean.AppSpecVpcArgs(id=args.network_id)],
                domain_names=[
                    digitalocean.AppSpecDomainNameArgs(name=domain, type="ALIAS" if position else "PRIMARY")
                    for position, domain in enumerate(args.domains)
                ],
                databases=_attached(args.database, args.cache),
                services=[
                    digitalocean.AppSpecServiceArgs(
                        name=name,
                        image=digitalocean.AppSpecServiceImageArgs(
                            registry_type=args.registry_type,
                            registry=args.registry,
                            repository=args.repository,
                            tag=args.tag,
                        ),
                        http_port=args.port,
                        instance_count=args.instances,
                        instance_size_slug=args.size,
                        health_check=digitalocean.AppSpecServiceHealthCheckArgs(http_path=args.health_check),
                        envs=_environment(name, args),
                    )
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = app.live_url
        self.host = app.default_ingress.apply(lambda url: url.removeprefix("https://").rstrip("/"))
        self.register_outputs({"url": self.url, "host": self.host})


# What an attached cluster is called in the app's spec, and so in its bindable variables.
_DATABASE = "db"
_CACHE = "cache"


def _attached(database: AppDatabase | None, cache: AppCache | None) -> list[digitalocean.AppSpecDatabaseArgs]:
    attached = []
    if database:
        attached.append(
            digitalocean.AppSpecDatabaseArgs(
                name=_DATABASE,
                engine="PG",
                version=database.version,
                production=True,
                cluster_name=database.cluster,
                db_name=database.database,
                db_user=database.login.user,
            )
        )
    if cache:
        attached.append(
            digitalocean.AppSpecDatabaseArgs(
                name=_CACHE, engine="VALKEY", version=cache.version, production=True, cluster_name=cache.cluster
            )
        )
    return attached


def _environment(app: str, args: AppArgs) -> Sequence[digitalocean.AppSpecServiceEnvArgs]:
    database, cache = args.database, args.cache
    references = _database_references(database) | _cache_references(cache) | _app_references(args.hosts)
    values: dict[str, pulumi.Input[str]] = {
        key: _filled(f"{app}, {key}", value, references)
        if isinstance(value, str) and REFERENCE.search(value)
        else value
        for key, value in args.environment.items()
    }
    for used, name in ((database and database.login.password, "DATABASE"), (cache and cache.password, "CACHE")):
        if used:
            values[f"{name}_CREDENTIALS_FINGERPRINT"] = pulumi.Output.unsecret(used.apply(fingerprint))
    return [
        digitalocean.AppSpecServiceEnvArgs(key=key, value=value, scope="RUN_TIME", type="GENERAL")
        for key, value in values.items()
    ]


def _database_references(database: AppDatabase | None) -> dict[str, pulumi.Input[str]]:
    if database is None:
        return {}
    user, password, ca = (f"${{{_DATABASE}.{field}}}" for field in ("USERNAME", "PASSWORD", "CA_CERT"))
    references: dict[str, pulumi.Input[str]] = {
        "pool.name": database.pool,
        "pool.user": user,
        "pool.password": password,
        "pool.ca": ca,
    }
    for kind, endpoint, name in (
        ("pool", database.endpoint, database.pool),
        ("replica", database.replica, database.database),
    ):
        if endpoint is None:
            references |= {f"{kind}.url": "", f"{kind}.host": "", f"{kind}.port": ""}
            continue
        host, port = endpoint.private_host, _number(endpoint.port)
        references |= {
            f"{kind}.url": pulumi.Output.concat(
                f"postgresql://{user}:{password}@", host, ":", port, "/", name, f"?sslmode={SSLMODE}"
            ),
            f"{kind}.host": host,
            f"{kind}.port": port,
        }
    return references


def _cache_references(cache: AppCache | None) -> dict[str, pulumi.Input[str]]:
    if cache is None:
        return dict.fromkeys(REFERENCES["cache"], "")
    user, password, ca = (f"${{{_CACHE}.{field}}}" for field in ("USERNAME", "PASSWORD", "CA_CERT"))
    host, port = cache.endpoint.private_host, _number(cache.endpoint.port)
    return {
        "cache.url": pulumi.Output.concat(f"rediss://{user}:{password}@", host, ":", port),
        "cache.host": host,
        "cache.port": port,
        "cache.user": user,
        "cache.password": password,
        "cache.ca": ca,
    }


def _app_references(hosts: Mapping[str, pulumi.Input[str]]) -> dict[str, pulumi.Input[str]]:
    return {f"apps.{app}.host": host for app, host in hosts.items()} | {
        f"apps.{app}.url": pulumi.Output.concat("https://", host) for app, host in hosts.items()
    }


def _number(port: pulumi.Output[int]) -> pulumi.Output[str]:
    return port.apply(lambda number: str(int(number)))


def _filled(where: str, text: str, references: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    parts: list[pulumi.Input[str]] = []
    end = 0
    for match in REFERENCE.finditer(text):
        if match.group(1) not in references:
            raise ValueError(f"{where}: {match.group()} is not known. Known: {', '.join(references)}")
        parts += [text[end : match.start()], references[match.group(1)]]
        end = match.end()
    return pulumi.Output.concat(*parts, text[end:])
