"""What a system promises for the day something is lost: where its backups go, and how fast and whole it comes back."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from trellis.settings.model import Model, Region

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _period(value: object) -> timedelta:
    if not (isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,5}[smhd]", value)):
        raise ValueError(f"{value!r} is no period such as 15m, 2h or 1d")
    return timedelta(seconds=int(value[:-1]) * _SECONDS[value[-1]])


def _public(value: str) -> str:
    if not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", value):
        # It is not repeated: somebody may have put the secret key here.
        raise ValueError("this is no public key of age, which begins with age1. `trellis backup --new-key` prints one")
    return value


Period = Annotated[timedelta, BeforeValidator(_period)]
AgeRecipient = Annotated[str, AfterValidator(_public)]
Place = Annotated[
    str, StringConstraints(pattern=r"^(spaces://[a-z0-9][a-z0-9-]{1,61}[a-z0-9](/[A-Za-z0-9_-]+)*|[^:]+)$")
]


class Keep(Model):
    """Of how many days, weeks and months the last backup is kept. One that is younger than a day is kept too."""

    days: int = Field(default=7, ge=0)
    weeks: int = Field(default=4, ge=0)
    months: int = Field(default=12, ge=0)


class Backups(Model):
    """Where `trellis backup` puts dumps of the system, and how long one is kept there; without `keep`, for ever.

    to: a folder, or spaces://bucket/prefix in the Spaces of `region`, by default the system's nearest.
    recipients: public keys of age; who holds one of their secret keys reads the dumps, and nobody else.
    """

    to: Place
    region: Region | None = None
    keep: Keep | None = None
    recipients: tuple[AgeRecipient, ...] = ()


class Outage(Model):
    """What is promised where only a backup is left: time until it is restored, and age of what comes back."""

    rto: Period
    rpo: Period


class Objectives(Model):
    """What `trellis drill` measures against: `rto`, the time to restore, and `rpo`, how much may be lost at most."""

    rto: Period
    rpo: Period
    outage: Outage | None = None
