"""A whole system at one phase."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from trellis import migrator
from trellis.settings import AppSettings, ClusterSettings, Settings
from trellis.settings.resolved import DnsSettings, numbered
from trellis.settings.system import Mode

from .app import App, AppArgs, AppDatabase
from .cache import Cache, CacheArgs
from .connection_files import ConnectionFiles, ConnectionFilesArgs
from .database import DatabasePlatform, DatabasePlatformArgs, PlatformArgs
from .droplet import Droplet, DropletArgs
from .network import Network, NetworkArgs
from .phase import Phase, PhaseArgs
from .schemas import Files

if TYPE_CHECKING:
    from .self_hosted.platform import SelfHostedPlatform

    Platform = DatabasePlatform | SelfHostedPlatform


@dataclass(frozen=True, kw_only=True)
class SystemArgs:
    """root: the folder of the program. stack: its name goes into tags.

    today: the day that DigitalOcean's limits for new clusters go by; empty knows of none.
    """

    settings: Settings
    root: Path
    stack: str
    today: str = ""


class System(pulumi.ComponentResource):
    """Creates network, Droplets, clusters with their schemas and pools, caches, apps and DNS names, in that order.

    Every migration file is read first: one that cannot be used stops the program before anything is registered.
    """

    outputs: Mapping[str, pulumi.Input[Any]]

    def __init__(self, name: str, args: SystemArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings = args.settings
        files = _files(settings)
        super().__init__("trellis:system:System", name, None, opts)
        for note in settings.notes:
            pulumi.warn(note, self)
        inside = pulumi.ResourceOptions(parent=self)
        tags = ["trellis", f"system:{settings.system}", f"stack:{args.stack}"]
        # The phase is checked before the first thing is touched; the rest waits for the network.
        first = [
            Phase(
                f"{name}-phase",
                PhaseArgs(
                    phase=settings.phase,
                    mode=settings.mode,
                    layout=settings.layout,
                    production=settings.production,
                    name_suffix=settings.name_suffix,
                    protect=settings.protect,
                    abandon=settings.abandon,
                    prices=settings.prices,
                    clusters={
                        cluster.made_as: {
                            "version": cluster.version,
                            "edition": cluster.edition.value,
                            "memory_gib": cluster.plan.memory_gib,
                            "nodes": cluster.nodes,
                            "replicas": cluster.replicas,
                            "region": settings.region,
                            **({"mode": Mode.SELF_HOSTED.value} if cluster.self_hosted else {}),
                        }
                        for cluster in settings.standing
                    },
                    today=args.today,
                ),
                inside,
            )
        ]
        network = Network(
            name,
            NetworkArgs(
                name=settings.physical(f"{name}-vpc"),
                region=settings.region,
                ip_range=settings.ip_range,
                protect=settings.protect,
                after=first,
            ),
            inside,
        )
        copy = (
            Network(
                f"{name}-copy",
                NetworkArgs(
                    name=settings.physical(f"{name}-copy-vpc"),
                    region=settings.copy.region,
                    ip_range=settings.copy.ip_range,
                    protect=settings.protect,
                    after=first,
                ),
                inside,
            )
            if settings.copy
            else None
        )
        droplets = {
            key: Droplet(
                key,
                DropletArgs(
                    name=settings.physical(key),
                    image=droplet.image,
                    size=droplet.size,
                    region=settings.region,
                    network_id=network.id,
                    ssh_keys=settings.ssh_keys,
                    tags=tags,
                ),
                inside,
            )
            for key, droplet in settings.droplets.items()
        }
        trusted = [droplet.id for droplet in droplets.values()]
        around = _Surroundings(network=network, copy=copy, droplets=trusted, files=files, root=args.root, tags=tags)
        made = {
            cluster.made_as: _platform(
                numbered(f"{name}-{cluster.key}", cluster.generation), cluster, settings, around, inside
            )
            for cluster in settings.standing
        }
        platforms = {cluster.key: made[cluster.made_as] for cluster in settings.clusters}
        caches = {
            cache.key: Cache(
                cache.cache.name,
                CacheArgs(
                    name=settings.physical(cache.cache.name),
                    region=settings.region,
                    network_id=network.id,
                    ranges=[network.ip_range],
                    addresses=settings.trusted_sources,
                    droplets=trusted,
                    version=cache.cache.version,
                    plan=cache.plan.slug,
                    nodes=cache.nodes,
                    eviction_policy=cache.cache.eviction_policy.value,
                    persistence=cache.cache.persistence,
                    maintenance=cache.cache.maintenance,
                    alerts=settings.alerts,
                    tags=tags,
                    private=settings.migration_endpoint == "private",
                ),
                inside,
            )
            for cache in settings.caches
        }
        apps: dict[str, App] = {}
        # An app with a DNS name is known by it before it is made. The others come in the order of their needs.
        hosts: dict[str, pulumi.Input[str]] = {app.name: app.domains[0] for app in settings.apps if app.domains}
        for app in settings.apps:
            apps[app.name] = App(
                app.name,
                AppArgs(
                    name=settings.physical(app.name),
                    region=settings.region,
                    network_id=network.id,
                    repository=app.app.image.repository,
                    tag=app.tag,
                    registry_type=app.app.image.registry_type,
                    registry=app.app.image.registry,
                    port=app.app.port,
                    health_check=app.app.health_check,
                    size=app.app.size,
                    instances=app.app.instances,
                    domains=app.domains,
                    environment=app.app.environment,
                    database=_pool(app, platforms),
                    cache=caches[app.cache].for_app if app.cache else None,
                    hosts={**hosts},
                ),
                inside,
            )
            hosts.setdefault(app.name, apps[app.name].host)
        if settings.dns:
            targets = {record.key: apps[record.app].host for record in settings.dns.records}
            registered: pulumi.Input[str] = _names(f"{name}-dns", settings.dns, targets, inside)
            # As a value of the program, for which it waits.
            pulumi.Output.from_input(registered)
        if settings.connection_files:
            ConnectionFiles(
                f"{name}-files",
                ConnectionFilesArgs(folder=settings.connection_files, texts=_connection_texts(settings, platforms)),
                inside,
            )
        self.outputs = _outputs(settings, platforms, made, caches, apps, droplets)
        if settings.monitoring:
            # A stack without one does not pay for the import of pulumi_random.
            from .monitoring.machine import Monitoring, MonitoringArgs

            machine = Monitoring(
                f"{name}-monitoring",
                MonitoringArgs(
                    settings=settings,
                    stack=args.stack,
                    network=network,
                    tags=tags,
                    uris={cluster.name: platforms[cluster.key].inside_uris() for cluster in settings.clusters},
                    ca_certificates={
                        cluster.name: platforms[cluster.key].ca_certificate for cluster in settings.clusters
                    },
                ),
                inside,
            )
            self.outputs = {**self.outputs, "monitoring": machine.access}
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What every cluster of the system has around it."""

    network: Network
    copy: Network | None
    droplets: Sequence[pulumi.Input[str]]
    files: Files
    root: Path
    tags: Sequence[str]


async def _names(
    name: str, dns: DnsSettings, targets: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> str:
    """Registers the names; gives their zone. Their SDK takes seconds to import, and all else goes on meanwhile."""
    module = await asyncio.to_thread(import_module, ".dns", __package__)
    records = {
        record.key: module.RecordArgs(host=record.host, target=targets[record.key], proxied=record.proxied)
        for record in dns.records
    }
    module.Dns(name, module.DnsArgs(zone=dns.zone, records=records), opts)
    return dns.zone


def _platform(
    name: str, cluster: ClusterSettings, settings: Settings, around: _Surroundings, opts: pulumi.ResourceOptions
) -> "Platform":
    common = PlatformArgs(
        cluster=cluster.made_as,
        network=around.network,
        databases=cluster.databases,
        users=cluster.users,
        pools=cluster.pools,
        version=cluster.version,
        migrate=not cluster.fresh,
        name_suffix=settings.name_suffix,
        trusted_sources=settings.trusted_sources,
        private=settings.migration_endpoint == "private",
        alerts=settings.alerts,
        files=around.files,
        root=around.root,
        logins=cluster.logins,
        tags=around.tags,
        protect=settings.protect,
    )
    if cluster.self_hosted is None:
        managed = DatabasePlatformArgs(
            **vars(common),
            plan=cluster.plan.slug,
            edition=cluster.edition,
            nodes=cluster.nodes,
            replicas=cluster.replicas,
            copy=around.copy,
            droplets=around.droplets,
            maintenance=cluster.maintenance,
            backup=cluster.backup,
            settings=cluster.settings,
            restored_from=_past(cluster, settings),
        )
        return DatabasePlatform(name, managed, opts)
    # A managed stack does not pay for the import of pulumi_random.
    from .self_hosted.platform import SelfHostedPlatform, SelfHostedPlatformArgs

    own = SelfHostedPlatformArgs(
        **vars(common),
        droplet=cluster.plan.slug,
        volume_gib=cluster.plan.storage_gib,
        image=cluster.self_hosted.image,
        dump=cluster.self_hosted.dump,
        dumps_outlive=settings.production,
        ssh_keys=settings.ssh_keys,
    )
    return SelfHostedPlatform(name, own, opts)


def _past(cluster: ClusterSettings, settings: Settings) -> tuple[str, str] | None:
    if not cluster.restored_to:
        return None
    before = cluster.generation - 1
    return settings.physical(numbered(cluster.name, before)), cluster.restored_to


def _pool(app: AppSettings, platforms: Mapping[str, "Platform"]) -> AppDatabase | None:
    platform = platforms[app.cluster] if app.cluster else None
    # Settings refuse an app with a pool in a system that may be self-hosted.
    return platform.for_app(app.pool) if app.pool and isinstance(platform, DatabasePlatform) else None


def _files(settings: Settings) -> Files:
    return {
        folder: migrator.discover(folder)
        for cluster in settings.clusters
        for database in cluster.databases
        for folder in (database.migrations, database.seeds)
        if folder
    }


def _connection_texts(settings: Settings, platforms: Mapping[str, "Platform"]) -> Mapping[str, pulumi.Input[str]]:
    texts: dict[str, pulumi.Input[str]] = {}
    for cluster in settings.clusters:
        platform = platforms[cluster.key]
        texts[f"{cluster.name}/ca-certificate.crt"] = platform.ca_certificate
        texts |= {f"{cluster.name}/{pool}.url": uri for pool, uri in platform.private_uris.items()}
    return texts


def _outputs(
    settings: Settings,
    platforms: Mapping[str, "Platform"],
    standing: Mapping[str, "Platform"],
    caches: Mapping[str, Cache],
    apps: Mapping[str, App],
    droplets: Mapping[str, Droplet],
) -> Mapping[str, pulumi.Input[Any]]:
    made = {cluster.name: (cluster, platforms[cluster.key]) for cluster in settings.clusters}
    beside = {cluster.name: standing[cluster.beside.made_as] for cluster in settings.clusters if cluster.beside}
    return {
        "system": settings.system,
        "phase": settings.phase.value,
        "mode": settings.mode.value,
        **({"name_suffix": settings.name_suffix} if settings.name_suffix else {}),
        "plans": {name: cluster.plan.slug for name, (cluster, _) in made.items()},
        "connection_budgets": {
            name: {
                "limit": cluster.budget.limit,
                "pools": dict(cluster.budget.pools),
                "headroom": cluster.budget.headroom,
            }
            for name, (cluster, _) in made.items()
        },
        "monthly_cost_usd": settings.monthly_usd,
        "direct_uris": {name: platform.direct_uris for name, (_, platform) in made.items()},
        "review_uris": {name: platform.review_uris for name, (_, platform) in made.items()},
        "pooled_uris": {name: platform.pooled_uris for name, (_, platform) in made.items()},
        "replica_uris": {name: platform.replica_uris for name, (_, platform) in made.items() if platform.replica_uris},
        "login_uris": {name: platform.login_uris for name, (_, platform) in made.items()},
        "ca_certificates": {name: platform.ca_certificate for name, (_, platform) in made.items()},
        # The schema of a new cluster comes from the one beside it.
        "migrations": {name: (platform.reports or beside[name].reports) for name, (_, platform) in made.items()},
        **(
            {
                "moving": {
                    name: {
                        "direct_uris": platform.direct_uris,
                        "review_uris": platform.review_uris,
                        "ca_certificate": platform.ca_certificate,
                    }
                    for name, platform in beside.items()
                }
            }
            if beside
            else {}
        ),
        "cache_uris": {key: cache.uri for key, cache in caches.items()},
        "cache_ca_certificates": {key: cache.ca_certificate for key, cache in caches.items()},
        "app_urls": {name: app.url for name, app in apps.items()},
        "droplet_addresses": {name: droplet.public_address for name, droplet in droplets.items()},
    }
