"""A cache that apps share."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings.cluster import QUIET, Maintenance
from trellis.settings.system import Alerts

from .alerts import ClusterAlerts, ClusterAlertsArgs
from .app import AppCache
from .cluster import windows
from .endpoint import Endpoint
from .lookups import ends_plainly
from .trusted_sources import TrustedSources, TrustedSourcesArgs


@dataclass(frozen=True, kw_only=True)
class CacheArgs:
    """What to create, where, and who may connect.

    region: DigitalOcean region slug. network_id: the VPC it joins. ranges, addresses, droplets: as TrustedSourcesArgs.
    name: the cluster's, which no other of the account has; by default the component's.
    version: of Valkey. plan: slug of a node's. nodes: 1, or up to 3 with standbys.
    eviction_policy: what a full cache forgets. persistence: "rdb", or "off", which starts empty.
    alerts: who gets mails when it runs hot; by default nobody. maintenance: when DigitalOcean may update it.
    tags: labels for bills and searches. private: whether `uri` is to lead to the host inside the VPC.
    """

    region: pulumi.Input[str]
    network_id: pulumi.Input[str]
    ranges: Sequence[pulumi.Input[str]]
    addresses: Sequence[pulumi.Input[str]] = ()
    droplets: Sequence[pulumi.Input[str]] = ()
    name: pulumi.Input[str] | None = None
    version: pulumi.Input[str] = "8"
    plan: pulumi.Input[str] = "db-s-1vcpu-1gb"
    nodes: pulumi.Input[int] = 1
    eviction_policy: pulumi.Input[str] = "noeviction"
    persistence: pulumi.Input[str] = "rdb"
    maintenance: Maintenance = QUIET
    alerts: Alerts | None = None
    tags: Sequence[pulumi.Input[str]] = ()
    private: bool = False


class Cache(pulumi.ComponentResource):
    """Creates one Valkey cluster with its eviction policy, persistence, trusted sources and alerts.

    What it holds can be lost: it is never protected from deletion.
    """

    for_app: AppCache
    uri: pulumi.Output[str]
    ca_certificate: pulumi.Output[str]

    def __init__(self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:cache:Cache", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        cluster = digitalocean.DatabaseCluster(
            name,
            name=args.name or name,
            engine="valkey",
            version=args.version,
            size=args.plan,
            node_count=args.nodes,
            region=args.region,
            private_network_uuid=args.network_id,
            maintenance_windows=windows(args.maintenance),
            eviction_policy=args.eviction_policy,
            tags=list(args.tags) or None,
            opts=inside,
        )
        digitalocean.DatabaseValkeyConfig(
            f"{name}-config", cluster_id=cluster.id, persistence=args.persistence, opts=inside
        )
        TrustedSources(
            f"{name}-trusted-sources",
            TrustedSourcesArgs(
                cluster_id=cluster.id,
                ranges=args.ranges,
                addresses=args.addresses,
                droplets=args.droplets,
            ),
            inside,
        )
        if args.alerts:
            ClusterAlerts(
                f"{name}-alerts",
                ClusterAlertsArgs(cluster_id=cluster.id, cluster_name=args.name or name, alerts=args.alerts),
                inside,
            )
        self.for_app = AppCache(
            cluster=cluster.name,
            version=args.version,
            endpoint=Endpoint(private_host=cluster.private_host, public_host=cluster.host, port=cluster.port),
            password=cluster.password,
        )
        self.uri = cluster.private_uri if args.private else cluster.uri
        authority = digitalocean.get_database_ca_output(
            cluster_id=cluster.id, opts=pulumi.InvokeOutputOptions(parent=self)
        ).recover(ends_plainly(f"the CA certificate of {name}"))
        self.ca_certificate = authority.certificate
        self.register_outputs({"name": cluster.name, "uri": self.uri, "ca_certificate": self.ca_certificate})
