"""What a drill tells of one cluster."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from trellis.operations.drill.verifying import Check


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """A cluster that was restored. source: a moment or a backup, in words. wanted: the moment that was asked for.

    rto, rpo: seconds until the data could be used, and how much of their end is missing; None where that cannot be
    told. objective_rto, objective_rpo: what the system promises, None where it promises nothing.
    """

    cluster: str
    temporary: str
    source: str
    began: datetime
    wanted: datetime
    rto: float
    rpo: float | None
    objective_rto: timedelta | None
    objective_rpo: timedelta | None
    checks: tuple[Check, ...]

    @property
    def in_time(self) -> bool:
        """Whether it was fast enough."""
        return self.objective_rto is None or self.rto <= self.objective_rto.total_seconds()

    @property
    def whole(self) -> bool:
        """Whether no more is missing than may be."""
        return self.objective_rpo is None or (self.rpo is not None and self.rpo <= self.objective_rpo.total_seconds())

    @property
    def ok(self) -> bool:
        """Whether this would have saved the day."""
        return self.in_time and self.whole and all(check.ok for check in self.checks)

    def to_dict(self) -> Mapping[str, Any]:
        """The same as values for JSON, times in ISO 8601 and periods in seconds."""
        return {
            "cluster": self.cluster,
            "temporary": self.temporary,
            "source": self.source,
            "began": self.began.isoformat(timespec="seconds"),
            "wanted": self.wanted.isoformat(),
            "ok": self.ok,
            "rto_seconds": round(self.rto, 1),
            "rpo_seconds": None if self.rpo is None else round(self.rpo, 1),
            "rto_objective_seconds": _seconds(self.objective_rto),
            "rpo_objective_seconds": _seconds(self.objective_rpo),
            "checks": [asdict(check) for check in self.checks],
        }

    def to_markdown(self) -> str:
        """A section of the report."""
        rpo = "could not be told: no column says when a row was written" if self.rpo is None else _words(self.rpo)
        rows = [
            ("restored from", self.source, ""),
            ("time to restore (RTO)", _words(self.rto), _judged(self.objective_rto, good=self.in_time)),
            ("missing at the end (RPO)", rpo, _judged(self.objective_rpo, good=self.whole)),
            *((f"{check.database}: {check.what}", check.found, _mark(good=check.ok)) for check in self.checks),
        ]
        listed = "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)
        verdict = "proven" if self.ok else "**not proven**"
        return f"## {self.cluster}: {verdict}\n\n| | found | |\n|---|---|---|\n{listed}\n"


def markdown(stack: str, drilled: "tuple[Drilled, ...]") -> str:
    """The whole report."""
    began = min(one.began for one in drilled).strftime("%Y-%m-%d %H:%M UTC")
    sections = "\n".join(one.to_markdown() for one in drilled)
    return (
        f"# Drill of {stack}, {began}\n\nThe time is from the order of the cluster until its data were reached and "
        f"verified here. A deployment of the apps comes on top of it.\n\n{sections}"
    )


def _mark(*, good: bool) -> str:
    return "yes" if good else "**no**"


def _judged(objective: timedelta | None, *, good: bool) -> str:
    return "no objective" if objective is None else f"{_mark(good=good)}, of {_words(objective.total_seconds())}"


def _words(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _seconds(period: timedelta | None) -> float | None:
    return None if period is None else period.total_seconds()
