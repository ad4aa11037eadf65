"""What the cloud and the stack's state tell of a cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trellis.operations.api import Api
from trellis.operations.engine import resource
from trellis.operations.errors import OperationError
from trellis.policies.kinds import CLUSTER, PASSWORD, USER

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A managed cluster as DigitalOcean has it. backup: when the newest one was made, None where there is none.

    users: those that the API knows, the administrator left out.
    """

    status: str
    plan: str
    created: datetime
    pending_maintenance: bool
    backup: datetime | None
    users: frozenset[str]


def facts(api: Api, resources: Iterable[Mapping[str, Any]], cluster: "ClusterSettings") -> Facts | None:
    """Asks for a cluster; None for one that is not deployed, or gone. Raises OperationError."""
    made = resource(resources, CLUSTER, cluster.made_as)
    found = (api.get(f"/v2/databases/{made['id']}") or {}).get("database") if made else None
    if made is None or found is None:
        return None
    found_backups = backups(api, made["id"])
    try:
        return Facts(
            status=str(found["status"]),
            plan=str(found["size"]),
            created=_time(found["created_at"]),
            pending_maintenance=bool((found.get("maintenance_window") or {}).get("pending")),
            backup=max((_time(one["created_at"]) for one in found_backups), default=None),
            users=frozenset(str(user["name"]) for user in found.get("users") or () if user.get("role") != "primary"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OperationError(f"What the API says of {cluster.made_as} cannot be read: {error!r}") from None


def backups(api: Api, cluster: str) -> Iterable[Mapping[str, Any]]:
    """The backups that DigitalOcean has of a cluster, by its id. Raises OperationError."""
    try:
        return (api.get(f"/v2/databases/{cluster}/backups") or {}).get("backups") or ()
    except OperationError as error:
        # So the API says that a new cluster has none yet.
        if " answered 412:" in str(error):
            return ()
        raise


def credentials(resources: Iterable[Mapping[str, Any]], cluster: "ClusterSettings") -> Mapping[str, datetime]:
    """When the stack last saw the serving login of each user of a cluster change: no password is newer."""
    made, kind = list(resources), PASSWORD if cluster.self_hosted else USER
    return {
        user: _time(found.get("modified") or found["created"])
        for user in cluster.users
        if (found := resource(made, kind, f"{cluster.made_as}-{cluster.serving(user)}")) and found.get("created")
    }


def made(resources: Iterable[Mapping[str, Any]]) -> datetime:
    """When the oldest of the stack's resources was made."""
    return min((_time(one["created"]) for one in resources if one.get("created")), default=datetime.now(UTC))


def _time(text: Any) -> datetime:
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
