"""What is watched, and who is told: a stack as the files for Prometheus and Alertmanager need it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trellis.settings.duties import ON_CALL

if TYPE_CHECKING:
    from trellis.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a managed cluster tells its machine's figures. targets: HOST:PORT."""

    cluster: str
    targets: tuple[str, ...]
    authority: str


@dataclass(frozen=True, kw_only=True)
class Login:
    """Of all endpoints of the account."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the programs listen: ports of the loopback. interval: seconds between two looks of Prometheus."""

    prometheus: int
    interval: int

    @property
    def alertmanager(self) -> int:
        """Alertmanager's port."""
        return self.prometheus + 3

    @property
    def exporter(self) -> int:
        """node_exporter's port."""
        return self.prometheus + 10

    @property
    def watch(self) -> int:
        """Seconds between two looks of `trellis status`, each of which asks more than a look of Prometheus."""
        return 2 * self.interval


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A stack. login: None where no cluster is managed."""

    name: str
    settings: "Settings"
    endpoints: tuple[Endpoint, ...] = ()
    login: Login | None = None


def addresses(settings: "Settings") -> Mapping[str, tuple[str, ...]]:
    """Role -> whom a mail goes to. The first is told of everything that is nobody's own."""
    duties = [
        *((one.check.tell, one.tell) for one in settings.checks),
        *((one.job.tell, one.tell) for one in settings.jobs),
    ]
    first = settings.alerts.emails if settings.alerts else dict(duties).get(ON_CALL, ())
    everybody = tuple(dict.fromkeys(address for _, told in duties for address in told))
    return {ON_CALL: tuple(first) or everybody, **{role: told for role, told in duties if role != ON_CALL}}


def own(settings: "Settings") -> Mapping[str, list[dict[str, str]]]:
    """Role -> the findings that are told to it alone, by their labels."""
    found: dict[str, list[dict[str, str]]] = {}
    for check in settings.checks:
        where = f"{check.cluster}/{check.database}"
        found.setdefault(check.check.tell, []).append({"finding": check.name, "where": where})
    for job in settings.jobs:
        where = f"{job.cluster}/{job.database}, {job.name}"
        found.setdefault(job.job.tell, []).append({"where": where})
    return {role: labels for role, labels in found.items() if role != ON_CALL}


def values(**chosen: Any) -> dict[str, Any]:
    """Those that are something."""
    return {key: value for key, value in chosen.items() if value not in (None, "", (), [], {})}
