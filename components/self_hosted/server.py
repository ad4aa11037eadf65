"""A PostgreSQL server that the team runs on a Droplet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean
import pulumi_random as random

from trellis.server.scram import verifier
from trellis.settings import ClusterSettings, Settings

from ..endpoint import Endpoint, Login
from ..network import Network
from ..self_hosted.authority import Authority
from ..self_hosted.contents import Contents, ContentsArgs
from ..self_hosted.dumps import DumpStore, DumpStoreArgs
from ..self_hosted.user_data import POOL_PORT, PORT, ServerFacts, user_data

ADMIN = "doadmin"


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    """network: the VPC it joins. droplets: ids of those that use it, besides the VPC and the trusted sources."""

    cluster: ClusterSettings
    settings: Settings
    network: Network
    tags: Sequence[str]


class SelfHostedServer(pulumi.ComponentResource):
    """Creates a Droplet with PostgreSQL, PgBouncer and TLS, a volume for its data, a firewall and a store for dumps.

    cloud-init installs the server at the first boot. The volume outlives the Droplet: another Droplet takes its data
    over. The Droplet is built again only for another image, PostgreSQL version or authority; a larger size is a
    restart, and users, databases, pools and sources are changed on the running server.
    """

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    machine: pulumi.Output[str]
    endpoint: Endpoint
    pool_endpoint: Endpoint
    admin: Login
    ca_certificate: pulumi.Output[str]
    databases: Mapping[str, pulumi.Output[str]]
    users: Mapping[str, Login]
    members: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:server:SelfHostedServer", name, None, opts)
        wanted, settings, network = args.cluster, args.settings, args.network
        if wanted.self_hosted is None:
            raise ValueError(f"{wanted.name} is managed")
        # Nothing is made before the stack's phase and mode are checked, and the network waits for that.
        inside = pulumi.ResourceOptions(parent=self, depends_on=[network])
        kept = pulumi.ResourceOptions(parent=self, depends_on=[network], protect=settings.protect)
        passwords = {
            user: random.RandomPassword(f"{name}-{user}", length=32, special=False, opts=inside).result
            for user in (ADMIN, *wanted.users)
        }
        authority = Authority(f"{name}-authority", inside)
        store = DumpStore(
            f"{name}-dumps",
            DumpStoreArgs(
                name=settings.physical(f"{name}-dumps"),
                region=settings.region,
                dump=wanted.self_hosted.dump,
                protect=settings.protect,
                after=[network],
            ),
            pulumi.ResourceOptions(parent=self),
        )
        volume = digitalocean.Volume(
            f"{name}-data",
            name=settings.physical(f"{name}-data"),
            region=settings.region,
            size=wanted.plan.storage_gib,
            initial_filesystem_type="ext4",
            tags=list(args.tags),
            opts=kept,
        )
        droplet = digitalocean.Droplet(
            name,
            name=settings.physical(wanted.name),
            image=wanted.self_hosted.image,
            size=wanted.plan.slug,
            # The data lie on the volume: the Droplet's own disk stays, and so a smaller size stays possible.
            resize_disk=False,
            region=settings.region,
            vpc_uuid=network.id,
            volume_ids=[volume.id],
            ssh_keys=list(settings.ssh_keys),
            monitoring=True,
            graceful_shutdown=True,
            user_data=_user_data(wanted, volume, passwords[ADMIN], authority, store),
            tags=list(args.tags),
            # The volume can be attached to one Droplet at a time.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        firewall = _firewall(name, droplet, network, settings, inside)
        self.endpoint, self.pool_endpoint = (
            Endpoint(
                private_host=droplet.ipv4_address_private,
                public_host=droplet.ipv4_address,
                port=pulumi.Output.from_input(port),
            )
            for port in (PORT, POOL_PORT)
        )
        self.id, self.name, self.machine = volume.id, droplet.name, droplet.id
        self.admin = Login(user=pulumi.Output.from_input(ADMIN), password=passwords[ADMIN])
        self.users = {
            user: Login(user=pulumi.Output.from_input(user), password=passwords[user]) for user in wanted.users
        }
        self.ca_certificate = authority.certificate
        contents = Contents(
            f"{name}-contents",
            ContentsArgs(
                cluster=wanted,
                server=volume.id,
                machine=droplet.id,
                endpoint=self.endpoint,
                private=settings.migration_endpoint == "private",
                pool_port=POOL_PORT,
                admin=self.admin,
                users=self.users,
                sources=[network.ip_range, *map(_range, settings.trusted_sources)],
                ca_certificate=authority.certificate,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[firewall]),
        )
        self.databases = {
            database.name: pulumi.Output.all(contents.id, database.name).apply(lambda made: str(made[1]))
            for database in wanted.databases
        }
        self.members = [contents]
        self.register_outputs({"id": self.id})


def _user_data(
    cluster: ClusterSettings,
    volume: digitalocean.Volume,
    password: pulumi.Output[str],
    authority: Authority,
    store: DumpStore,
) -> pulumi.Output[str]:
    text: pulumi.Output[str] = pulumi.Output.all(
        volume=volume.name,
        admin_verifier=password.apply(lambda known: verifier(ADMIN, known)),
        ca_certificate=authority.certificate,
        ca_key=authority.key,
        dumps=store.access,
    ).apply(lambda known: user_data(ServerFacts(version=cluster.version, **known)))
    return pulumi.Output.secret(text)


def _firewall(
    name: str, droplet: digitalocean.Droplet, network: Network, settings: Settings, opts: pulumi.ResourceOptions
) -> digitalocean.Firewall:
    def inbound(ports: str, *sources: pulumi.Input[str]) -> digitalocean.FirewallInboundRuleArgs:
        return digitalocean.FirewallInboundRuleArgs(protocol="tcp", port_range=ports, source_addresses=list(sources))

    trusted = settings.trusted_sources
    everywhere = ["0.0.0.0/0", "::/0"]
    return digitalocean.Firewall(
        f"{name}-firewall",
        name=settings.physical(f"{name}-firewall"),
        droplet_ids=[droplet.id.apply(int)],
        inbound_rules=[
            inbound(f"{PORT}-{POOL_PORT}", network.ip_range, *trusted),
            *([inbound("22", *trusted)] if settings.ssh_keys and trusted else []),
        ],
        outbound_rules=[
            digitalocean.FirewallOutboundRuleArgs(
                protocol=protocol, port_range="1-65535", destination_addresses=everywhere
            )
            for protocol in ("tcp", "udp")
        ],
        opts=opts,
    )


def _range(source: str) -> str:
    return source if "/" in source else f"{source}/32"
