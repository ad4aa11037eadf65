"""A Droplet that watches a stack, and tells people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
import pulumi_digitalocean as digitalocean
import pulumi_random as random

from trellis.monitoring.exporter import places
from trellis.monitoring.prometheus import ALERTMANAGER_PORT, LOGIN, PORT
from trellis.monitoring.watched import Watched
from trellis.server.certificates import Authorities
from trellis.settings import Settings

from ..network import Network
from ..openings import inbound, outbound
from ..self_hosted.authority import Authority
from .user_data import MachineFacts, user_data


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is watched, and from where.

    settings: of the stack; its `monitoring` says the size, and how people are told. stack: its name.
    network: the VPC it joins, whose range the clusters admit. tags: labels for bills and searches.
    uris: cluster -> kind (direct, pool, replica) -> key -> the URI on the host inside the VPC, a secret.
    ca_certificates: cluster -> its authority's certificate.
    """

    settings: Settings
    stack: str
    network: Network
    uris: Mapping[str, Mapping[str, Mapping[str, pulumi.Input[str]]]]
    ca_certificates: Mapping[str, pulumi.Input[str]]
    tags: Sequence[str] = ()
    image: str = "debian-12-x64"


class Monitoring(pulumi.ComponentResource):
    """Creates a Droplet with Prometheus and Alertmanager behind TLS, a login and a firewall.

    It asks the clusters by SQL what `trellis status` asks them. Everything that it knows is in its user data, so a
    change of it is another Droplet, which begins without the figures of the one before. Its certificate ends with its
    authority, and an `up` after that has a second one makes another Droplet too.
    """

    access: Mapping[str, pulumi.Input[str]]
    """How to look: `prometheus` and `alertmanager`, URLs; `user`, `password`, a secret; `ca_certificate`."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:monitoring:Monitoring", name, None, opts)
        settings = args.settings
        if settings.monitoring is None:
            raise ValueError(f"{name}: the settings ask for no machine")
        inside = pulumi.ResourceOptions(parent=self, depends_on=[args.network])
        login = random.RandomPassword(f"{name}-{LOGIN}", length=32, special=False, opts=inside)
        authority = Authority(f"{name}-authority", inside)
        own_tag = f"monitoring:{settings.physical(name)}"
        droplet = digitalocean.Droplet(
            name,
            name=settings.physical(name),
            image=args.image,
            size=settings.monitoring.size,
            region=args.network.region,
            vpc_uuid=args.network.id,
            ssh_keys=list(settings.ssh_keys),
            monitoring=True,
            user_data=_user_data(args, login, authority),
            tags=[*args.tags, own_tag],
            # Two of one name and one stack could not be told apart after a run that was killed.
            opts=pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(delete_before_replace=True)),
        )
        digitalocean.Firewall(
            f"{name}-firewall",
            name=settings.physical(f"{name}-firewall"),
            # The tag is there with the first Droplet, and covers the next one from its first moment on.
            tags=[own_tag],
            inbound_rules=[
                inbound(str(port), settings.trusted_sources)
                for port in (PORT, ALERTMANAGER_PORT, *([22] if settings.ssh_keys else ()))
                if settings.trusted_sources
            ],
            outbound_rules=outbound(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[droplet]),
        )

        def url(port: int) -> pulumi.Output[str]:
            return pulumi.Output.concat("https://", droplet.ipv4_address, f":{port}")

        self.access = {
            "prometheus": url(PORT),
            "alertmanager": url(ALERTMANAGER_PORT),
            "user": LOGIN,
            "password": login.result,
            "ca_certificate": authority.certificate,
        }
        self.register_outputs({"prometheus": url(PORT), "ca_certificate": authority.certificate})


def _user_data(args: MonitoringArgs, login: random.RandomPassword, authority: Authority) -> pulumi.Output[str]:
    asked = list(places(args.settings, args.stack))
    watched = Watched(name=args.stack, settings=args.settings)
    text: pulumi.Output[str] = pulumi.Output.all(
        uris=args.uris,
        cluster_authorities=args.ca_certificates,
        password=login.result,
        hash=login.bcrypt_hash,
        authorities=pulumi.Output.all(authority.certificate, authority.key).apply(
            lambda known: Authorities(*known).signing(datetime.now(UTC))
        ),
    ).apply(lambda known: user_data(MachineFacts(watched=watched, places=asked, **known)))
    return pulumi.Output.secret(text)
