"""A cache that apps share."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings import CacheSettings, Settings

from .alerts import ClusterAlerts, ClusterAlertsArgs
from .app import AppCache
from .cluster import windows
from .endpoint import Endpoint
from .network import Network
from .trusted_sources import TrustedSources, TrustedSourcesArgs


@dataclass(frozen=True, kw_only=True)
class CacheArgs:
    """network: the VPC it joins. tags: labels for bills and searches."""

    cache: CacheSettings
    settings: Settings
    network: Network
    droplets: Sequence[pulumi.Input[str]]
    tags: Sequence[str]


class Cache(pulumi.ComponentResource):
    """Creates one Valkey cluster with its eviction policy, persistence, trusted sources and alerts.

    What it holds can be lost: it is never protected from deletion.
    """

    for_app: AppCache
    uri: pulumi.Output[str]

    def __init__(self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:cache:Cache", name, None, opts)
        wanted, settings = args.cache, args.settings
        inside = pulumi.ResourceOptions(parent=self)
        cluster = digitalocean.DatabaseCluster(
            name,
            name=settings.physical(wanted.cache.name),
            engine="valkey",
            version=wanted.cache.version,
            size=wanted.plan.slug,
            node_count=wanted.nodes,
            region=settings.region,
            private_network_uuid=args.network.id,
            maintenance_windows=windows(wanted.cache.maintenance),
            eviction_policy=wanted.cache.eviction_policy.value,
            tags=list(args.tags),
            opts=inside,
        )
        digitalocean.DatabaseValkeyConfig(
            f"{name}-config", cluster_id=cluster.id, persistence=wanted.cache.persistence, opts=inside
        )
        TrustedSources(
            f"{name}-trusted-sources",
            TrustedSourcesArgs(
                cluster_id=cluster.id,
                ranges=[args.network.ip_range],
                addresses=settings.trusted_sources,
                droplets=args.droplets,
            ),
            inside,
        )
        ClusterAlerts(
            f"{name}-alerts",
            ClusterAlertsArgs(
                cluster_id=cluster.id, cluster_name=settings.physical(wanted.cache.name), alerts=settings.alerts
            ),
            inside,
        )
        self.for_app = AppCache(
            cluster=cluster.name,
            version=wanted.cache.version,
            endpoint=Endpoint(private_host=cluster.private_host, public_host=cluster.host, port=cluster.port),
            password=cluster.password,
        )
        self.uri = cluster.private_uri if settings.migration_endpoint == "private" else cluster.uri
        self.register_outputs({"name": cluster.name})
