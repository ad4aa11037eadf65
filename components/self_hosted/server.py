"""A PostgreSQL server that the team runs on a Droplet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pulumi
import pulumi_digitalocean as digitalocean
import pulumi_random as random

from trellis.server.certificates import Authorities
from trellis.server.scram import verifier
from trellis.settings import PoolSettings
from trellis.settings.catalogue import DROPLETS
from trellis.settings.cluster import Dump
from trellis.settings.resolved import LoginSettings, physical, second_login

from ..endpoint import Endpoint, Login
from ..network import Network
from ..openings import inbound, outbound
from ..reviewer import Reviewer, reviewers
from ..self_hosted.authority import Authority
from ..self_hosted.contents import Contents, ContentsArgs
from ..self_hosted.dumps import DumpStore, DumpStoreArgs
from ..self_hosted.user_data import POOL_PORT, PORT, ServerFacts, user_data

ADMIN = "doadmin"


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    """What to create and who may use it.

    network: the VPC it joins. droplet: slug of its size. volume_gib: the volume for its data. image: slug.
    name_suffix: what ends the names in the account. version: of PostgreSQL. users, databases: their names.
    pools: each with its database, user, mode and size. dump: when, and how long one is kept.
    logins: user -> the two logins that take turns for it, where its password was rotated.
    trusted_sources: IPv4 addresses and ranges outside the VPC that may connect.
    private: whether this machine is inside it.
    ssh_keys: ids or fingerprints of keys that may log in as root. tags: labels for bills and searches.
    protect: refuse to delete data. dumps_outlive: whether the bucket of dumps stays when the stack goes.
    """

    network: Network
    droplet: str
    volume_gib: int
    users: Sequence[str]
    databases: Sequence[str]
    pools: Sequence[PoolSettings] = ()
    logins: Mapping[str, LoginSettings] = field(default_factory=dict)
    version: str = "17"
    image: str = "debian-12-x64"
    dump: Dump = field(default_factory=Dump)
    name_suffix: str = ""
    trusted_sources: Sequence[str] = ()
    private: bool = False
    ssh_keys: Sequence[str] = ()
    tags: Sequence[str] = ()
    protect: bool = True
    dumps_outlive: bool = True


class SelfHostedServer(pulumi.ComponentResource):
    """Creates a Droplet with PostgreSQL, PgBouncer and TLS, a volume for its data, a firewall and a store for dumps.

    cloud-init installs the server at the first boot. The volume outlives the Droplet: another Droplet takes its data
    over. The Droplet is built again only for another image, not because cloud-init would be told something else today;
    a larger size is a restart, and users, databases, pools and sources are changed on the running server.
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
    reviewers: Mapping[str, Reviewer]
    members: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:server:SelfHostedServer", name, None, opts)
        network = args.network
        # Nothing is made before the stack's phase and mode are checked, and the network waits for that.
        inside = pulumi.ResourceOptions(parent=self, depends_on=[network])
        kept = pulumi.ResourceOptions(parent=self, depends_on=[network], protect=args.protect)
        # A password is made anew in each round of its rotations.
        in_turns = {login: pair.made_in(login) for pair in args.logins.values() for login in pair.admitted}
        keepers = {login: {"round": str(made)} for login, made in in_turns.items() if made}
        passwords = {
            user: random.RandomPassword(
                f"{name}-{user}", length=32, special=False, keepers=keepers.get(user), opts=inside
            ).result
            for user in (ADMIN, *args.users, *map(second_login, args.logins))
        }
        authority = Authority(f"{name}-authority", inside)
        store = DumpStore(
            f"{name}-dumps",
            DumpStoreArgs(
                name=physical(f"{name}-dumps", args.name_suffix),
                region=network.region,
                hour=args.dump.hour,
                keep_days=args.dump.keep_days,
                protect=args.protect,
                outlive=args.dumps_outlive,
                after=[network],
            ),
            pulumi.ResourceOptions(parent=self),
        )
        # The volume is made first, and so is this tag: a firewall takes none that is not there.
        own_tag = f"server:{physical(name, args.name_suffix)}"
        tags = [*args.tags, own_tag]
        volume = digitalocean.Volume(
            f"{name}-data",
            name=physical(f"{name}-data", args.name_suffix),
            region=network.region,
            size=args.volume_gib,
            initial_filesystem_type="ext4",
            tags=tags,
            opts=kept,
        )
        firewall = _firewall(name, own_tag, args, pulumi.ResourceOptions(parent=self, depends_on=[network, volume]))
        sources: list[pulumi.Input[str]] = [network.ip_range, *map(_range, args.trusted_sources)]
        droplet = digitalocean.Droplet(
            name,
            name=physical(name, args.name_suffix),
            image=args.image,
            size=args.droplet,
            # The data lie on the volume: the Droplet's own disk stays, and so a smaller size stays possible.
            resize_disk=False,
            region=network.region,
            vpc_uuid=network.id,
            volume_ids=[volume.id],
            ssh_keys=list(args.ssh_keys),
            monitoring=True,
            graceful_shutdown=True,
            user_data=_user_data(args.version, sources, volume, passwords[ADMIN], authority, store),
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # It applies from the first moment on: the Droplet has its tag.
                depends_on=[firewall],
                # The volume can be attached to one Droplet at a time.
                delete_before_replace=True,
                # It is read at the first boot alone. docs/self-hosted.md says how a Droplet is built again with it.
                ignore_changes=["user_data"],
            ),
        )
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
        users = {
            user: Login(user=pulumi.Output.from_input(user), password=password)
            for user, password in passwords.items()
            if user != ADMIN
        }
        # Before PostgreSQL 16 the administrator may not make logins, so the server does.
        self.reviewers = reviewers(self.admin, args.databases, made=True)
        self.ca_certificate = authority.certificate
        contents = Contents(
            f"{name}-contents",
            ContentsArgs(
                plan=DROPLETS[args.droplet].plan(args.volume_gib),
                server=volume.id,
                machine=droplet.id,
                endpoint=self.endpoint,
                private=args.private,
                pool_port=POOL_PORT,
                admin=self.admin,
                users={**users, **{one.name: one.login for one in self.reviewers.values()}},
                databases=args.databases,
                pools=args.pools,
                logins=args.logins,
                sources=sources,
                ca_certificate=authority.certificate,
                ca_key=authority.key,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[firewall]),
        )
        # Nobody is told of a password that changes before the server and its pools take it.
        self.users = {
            user: Login(
                user=login.user,
                password=pulumi.Output.all(login.password, contents.id).apply(lambda known: str(known[0])),
            )
            if user in in_turns
            else login
            for user, login in users.items()
        }
        self.databases = {
            database: pulumi.Output.all(contents.id, database).apply(lambda made: str(made[1]))
            for database in args.databases
        }
        self.members = [contents]
        self.register_outputs(
            {
                "id": self.id,
                "name": self.name,
                "host": self.endpoint.public_host,
                "private_host": self.endpoint.private_host,
                "ca_certificate": self.ca_certificate,
            }
        )


def _user_data(
    version: str,
    sources: Sequence[pulumi.Input[str]],
    volume: digitalocean.Volume,
    password: pulumi.Output[str],
    authority: Authority,
    store: DumpStore,
) -> pulumi.Output[str]:
    text: pulumi.Output[str] = pulumi.Output.all(
        volume=volume.name,
        sources=sources,
        admin_verifier=password.apply(lambda known: verifier(ADMIN, known)),
        authorities=pulumi.Output.all(authority.certificate, authority.key).apply(
            lambda known: Authorities(*known).for_a_new_server(datetime.now(UTC))
        ),
        dumps=store.access,
    ).apply(lambda known: user_data(ServerFacts(version=version, **known)))
    return pulumi.Output.secret(text)


def _firewall(name: str, tag: str, args: ServerArgs, opts: pulumi.ResourceOptions) -> digitalocean.Firewall:
    trusted = args.trusted_sources
    return digitalocean.Firewall(
        f"{name}-firewall",
        name=physical(f"{name}-firewall", args.name_suffix),
        tags=[tag],
        inbound_rules=[
            inbound(f"{PORT}-{POOL_PORT}", [args.network.ip_range, *trusted]),
            *([inbound("22", trusted)] if args.ssh_keys and trusted else []),
        ],
        outbound_rules=outbound(),
        # One of before names its Droplet by id. It keeps that, so that nothing is open until the Droplet has the tag.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["droplet_ids"])),
    )


def _range(source: str) -> str:
    return source if "/" in source else f"{source}/32"
