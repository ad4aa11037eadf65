"""The system's checks, asked in what was restored: by the pool's user, as `trellis status` asks them in the source."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from trellis.migrator import Target
from trellis.operations.drill.verifying import Check
from trellis.operations.errors import OperationError
from trellis.operations.status import checking
from trellis.operations.status.ways import Way

if TYPE_CHECKING:
    from trellis.settings import ClusterSettings, Settings
    from trellis.settings.resolved import CheckSettings

Reach = Callable[[str, str], Target]


def asked(settings: "Settings", cluster: "ClusterSettings", reach: Reach) -> Iterator[Check]:
    """Asks each check of a cluster. reach: the way to a database as a login.

    One that is answered is well, whatever it found: the login, its grants and what it calls are there. What it found is
    told of the product as it was then, and not of the restore.
    """
    users = {pool.name: pool.user for pool in cluster.pools}
    reach = cache(reach)
    for check in settings.checks:
        if check.cluster == cluster.name:
            yield _asked(check, users[check.pool], reach)


def _asked(check: "CheckSettings", user: str, reach: Reach) -> Check:
    try:
        way = Way(cluster=check.cluster, kind="direct", name=check.database, target=reach(check.database, user))
        answer = checking.ask(check, way)
    except OperationError as error:
        answer = checking.Answer(check=check, error=str(error))
    if answer.number is None:
        found = f"{user} could not ask it: {answer.error}"
    elif answer.good:
        found = f"{user} found {answer.number:g}"
    else:
        found = f"{user} found {answer.number:g}, more than {check.check.threshold:g}: so it was then"
    name = f"{check.cluster}/{check.database}"
    return Check(database=name, what=f"check {check.name}", ok=answer.number is not None, found=found)
