"""What every model of this package is made of: the base class, the types of names, the error of a misfit."""

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from trellis.settings.catalogue import PLANS, REGIONS


class Model(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Misfit(ValueError):
    """A value that does not fit another one of the same file. `location` leads to it from the model that checked."""

    def __init__(self, location: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.location = location


def unknown(kind: str, value: str, known: Iterable[str]) -> str:
    """The sentence for a name that nobody defines."""
    return f"nobody defines the {kind} {value!r}. Known: {', '.join(known) or 'none'}"


def one_of(what: str, allowed: frozenset[str] | tuple[str, ...]) -> AfterValidator:
    """A validator that admits these values and names them in its error."""

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is no {what}. Allowed: {', '.join(sorted(allowed))}")
        return value

    return AfterValidator(check)


def _private_range(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no IPv4 range such as 10.0.0.0/16: {error}") from error
    if not any(network.subnet_of(IPv4Network(outer)) for outer in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")):
        raise ValueError(f"{value} is not private. Allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not 16 <= network.prefixlen <= 28:
        raise ValueError(f"{value} is a /{network.prefixlen}. A VPC is a /16 to a /28")
    return value


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,61}[a-z0-9]$")]
AppName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")]
NameSuffix = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?)?$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,62}$")]
ImageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
Region = Annotated[str, one_of("region", REGIONS)]
PlanSlug = Annotated[str, one_of("plan", frozenset(PLANS))]
PrivateRange = Annotated[str, AfterValidator(_private_range)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Hostname = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]
Hour = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]
