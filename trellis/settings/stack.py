"""The stack's config: where a system runs and how big it is now."""

import re
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from trellis.settings.catalogue import (
    ADVANCED,
    DROPLETS,
    MAX_NODES,
    MAX_TRUSTED_SOURCES,
    PLANS,
    POSTGRESQL_VERSIONS,
    Edition,
    Phase,
)
from trellis.settings.model import (
    AppName,
    Email,
    Hostname,
    Identifier,
    ImageTag,
    Model,
    NameSuffix,
    PrivateRange,
    Region,
    Slug,
    one_of,
)
from trellis.settings.system import Mode


def _trusted_source(value: str) -> str:
    if ":" in value:
        raise ValueError(f"{value} is IPv6. DigitalOcean's trusted sources take IPv4 addresses and ranges only")
    try:
        IPv4Network(value)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise ValueError(
            f"{value!r} is no IPv4 address or range such as 203.0.113.7 or 203.0.113.0/24: {error}"
        ) from error
    return value


def _ssh_key(value: str) -> str:
    if not re.fullmatch(r"\d+|[0-9a-f]{2}(:[0-9a-f]{2}){15}", value):
        raise ValueError(
            "this is neither the id nor the fingerprint of an SSH key at DigitalOcean. "
            "`doctl compute ssh-key list` shows both"
        )
    return value


def _folder(value: str) -> str:
    if {"..", "~"} & set(PurePosixPath(value).parts):
        raise ValueError(
            f"{value!r} leads out of the project. Name one in it without `..` and `~`, or another by its whole path"
        )
    return value


def _priced(size: str) -> str:
    known = [*PLANS, *DROPLETS, ADVANCED]
    if size not in known and not size.startswith("apps-"):
        raise ValueError(f"{size!r} is no plan, Droplet size or app size. Allowed: {', '.join(known)}, apps-…")
    return size


# A version that nobody put into quotes.
_Text = BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)
# Pulumi wants a default for every declared key, and a text has no other than this for "as the system file says".
EmptyIsNone = BeforeValidator(lambda value: None if value == "" else value)


class Protect(StrEnum):
    """Whether clusters, databases and the VPC can be deleted. `phase` protects them in growth and scale."""

    PHASE = "phase"
    ALWAYS = "always"
    NEVER = "never"


class Environment(StrEnum):
    """Whom a stack serves. Test data and `trellis reset` are refused in production."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class Layout(StrEnum):
    """Whether the databases that a system file puts into one cluster share it, or get one each."""

    SHARED = "shared"
    PER_DATABASE = "per-database"


class Camel(Model):
    """A model whose keys are written as Pulumi's config writes them."""

    model_config = Model.model_config | {"alias_generator": to_camel}


class Copy(Camel):
    """A second region that holds a copy of every cluster: its slug, and the range of a VPC there."""

    region: Region
    ip_range: PrivateRange


class Standing(Camel):
    """A cluster that stands beside the one that takes its place, as it was deployed. generation: its number.

    plan: a node's; in the mode self-hosted the Droplet's size, with its volume's.
    """

    generation: int = Field(ge=1)
    mode: Mode = Mode.MANAGED
    version: Annotated[str, _Text, one_of("PostgreSQL version", POSTGRESQL_VERSIONS)]
    plan: Annotated[str, one_of("plan or Droplet size", frozenset({**PLANS, **DROPLETS}))]
    volume_gib: int | None = Field(default=None, ge=1)
    nodes: int = Field(default=1, ge=1, le=MAX_NODES)
    replicas: int = Field(default=0, ge=0, le=5)
    edition: Edition = Edition.STANDARD

    @model_validator(mode="after")
    def _of_its_mode(self) -> Self:
        if {self.plan in DROPLETS, self.volume_gib is not None} != {self.mode is Mode.SELF_HOSTED}:
            raise ValueError("mode, plan and volume do not fit together. Take back what was changed by hand")
        return self


class Move(Camel):
    """Which cluster of a system file's is which; `trellis move` writes it.

    wanted: the number of the one that the file describes. serving: of the one that applications use. old: the other,
    while both stand. at: the second that the wanted one is restored to from the other, where it is.
    """

    wanted: int = Field(ge=1)
    serving: int = Field(ge=1)
    old: Standing | None = None
    at: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] | None = None

    @model_validator(mode="after")
    def _numbers(self) -> Self:
        numbers = {self.wanted} | ({self.old.generation} if self.old else set())
        if self.serving not in numbers or (self.old and self.old.generation == self.wanted):
            raise ValueError("these numbers do not fit together. Take back what was changed by hand")
        return self


class Logins(Camel):
    """Which of a role's two logins serves; `trellis rotate` writes it.

    serves: 1 for the role itself, 2 for its second login. changing: how far a rotation is: pools let both in, or are
    being closed to the one whose password was reset. Left out, pools let the serving one in alone.
    round: the number of the rotation on a self-hosted cluster. One without it was of managed clusters alone.
    """

    serves: Literal[1, 2]
    changing: Literal["both", "closing"] | None = None
    round: int = Field(default=0, ge=0)


def _host_and_port(value: str) -> str:
    if value and not re.fullmatch(r"[^\s:/]+:\d+", value):
        raise ValueError(f"{value!r} is not HOST:PORT, for example smtp.your-company.com:2525")
    return value


def _hook(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s]+", value):
        # It may be a secret that was mistyped.
        raise ValueError("this is no address that begins with https://")
    return value


class Monitoring(Camel):
    """The machine that watches the stack, and how it tells people: by mail, to the addresses of `trellis:contacts`,
    by a webhook, or by both.

    size: the Droplet's. smtp: HOST:PORT of the mail server. from: the address that mails come from. user, password:
    where the server asks for a login. webhook: an URL that gets every alert. password and webhook are secrets.
    """

    size: Annotated[str, one_of("Droplet size", frozenset(DROPLETS))] = "s-1vcpu-1gb"
    smtp: Annotated[str, AfterValidator(_host_and_port)] = ""
    from_: Annotated[Email | None, EmptyIsNone, Field(alias="from")] = None
    user: str = ""
    password: Annotated[str, _Text, Field(repr=False)] = ""
    webhook: Annotated[str, AfterValidator(_hook), Field(repr=False)] = ""

    @model_validator(mode="after")
    def _somebody_is_told(self) -> Self:
        if not (self.smtp or self.webhook):
            raise ValueError("nobody would be told. Give `smtp` with `from`, or `webhook`")
        if self.smtp and not self.from_:
            raise ValueError("`smtp` needs `from`, the address that the mails come from")
        if bool(self.user) != bool(self.password):
            raise ValueError("`user` and `password` of the mail server belong together")
        return self


class StackConfig(Camel):
    """The keys under `trellis:` of a stack file. Pulumi.yaml declares and describes the same keys."""

    system: str
    environment: Environment = Environment.PRODUCTION
    phase: Phase = Phase.LAUNCH
    mode: Mode = Mode.MANAGED
    fallback: Annotated[Literal[Mode.SELF_HOSTED] | None, EmptyIsNone] = None
    layout: Layout = Layout.SHARED
    abandon: Annotated[
        Literal[Mode.MANAGED, Mode.SELF_HOSTED, Layout.SHARED, Layout.PER_DATABASE] | None, EmptyIsNone
    ] = None
    edition: Annotated[Edition | None, EmptyIsNone] = None
    version: Annotated[Annotated[str, _Text, one_of("PostgreSQL version", POSTGRESQL_VERSIONS)] | None, EmptyIsNone] = (
        None
    )
    moves: dict[str, Move] = {}
    logins: dict[Identifier, Logins] = {}
    # A secret, and nothing that the program builds: `trellis move` alone reads where a database comes from.
    from_: Annotated[dict[str, str], Field(alias="from", repr=False)] = {}
    name_suffix: NameSuffix = ""
    region: Annotated[Region | None, EmptyIsNone] = None
    ip_range: Annotated[PrivateRange | None, EmptyIsNone] = None
    dns_zone: Annotated[Hostname | None, EmptyIsNone] = None
    hosts: dict[Hostname, Hostname] = {}
    trusted_sources: Annotated[
        tuple[Annotated[str, AfterValidator(_trusted_source)], ...], Field(max_length=MAX_TRUSTED_SOURCES - 1)
    ] = ()
    migration_endpoint: Literal["public", "private"] = "public"
    protect: Protect = Protect.PHASE
    caches: tuple[Slug, ...] = ()
    droplets: bool = True
    copy_to: Annotated[Copy | None, BeforeValidator(lambda value: value or None)] = None
    contacts: dict[Slug, tuple[Email, ...]] = {}
    monitoring: Annotated[Monitoring | None, BeforeValidator(lambda value: value or None)] = None
    seed_data: bool = False
    backup_before: bool = False
    connection_files: Annotated[Annotated[str, AfterValidator(_folder)] | None, EmptyIsNone] = None
    ssh_keys: tuple[Annotated[str, AfterValidator(_ssh_key)], ...] = ()
    prices: dict[Annotated[str, AfterValidator(_priced)], Annotated[float, Field(ge=0)]] = {}
    image_tags: dict[AppName, ImageTag] = {}
