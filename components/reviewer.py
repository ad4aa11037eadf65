"""Who reviews a database: a login that reads its catalogs and its migration history, and no row of anything else."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from .endpoint import Login

_LONGEST = 63


@dataclass(frozen=True, kw_only=True)
class Reviewer:
    """made: whether the server makes the login; otherwise a migration does, as the administrator."""

    name: str
    login: Login
    made: bool = False


def reviewers(admin: Login, databases: Sequence[str], *, made: bool = False) -> Mapping[str, Reviewer]:
    """The reviewer of each database. One that is lost reaches no other database of its cluster."""
    return {database: _reviewer(admin, database, made) for database in databases}


def _reviewer(admin: Login, database: str, made: bool) -> Reviewer:
    name = f"trellis_review_{database}"
    if len(name) > _LONGEST:
        name = f"trellis_review_{hashlib.sha256(database.encode()).hexdigest()[:32]}"
    # It need not be kept, and goes with the administrator's, to which it does not lead back.
    password = admin.password.apply(
        lambda known: hmac.digest(known.encode(), f"reviews {database}".encode(), "sha256").hex()[:40]
    )
    login = Login(user=pulumi.Output.from_input(name), password=pulumi.Output.secret(password))
    return Reviewer(name=name, login=login, made=made)
