"""The subcommand `facts`: what the catalogue says of DigitalOcean, beside what DigitalOcean offers the account."""

import json
import os
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from trellis.operations.engine import engine_of
from trellis.operations.errors import OperationError
from trellis.operations.ownership import Clouds
from trellis.operations.terminal import paint, say
from trellis.settings.catalogue import PLANS, REGIONS, STANDARD_LIMITED, STANDARD_MOST_GIB, Edition

_OPTIONS = "/v2/databases/options"
# The first day on which a new account's clusters have the limits, where a later one's may.
_FIRST = min(STANDARD_LIMITED)
_FOR_ALL = max(STANDARD_LIMITED)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where the two say different things. only_here: what the catalogue alone has. only_there: the account alone."""

    edition: str
    what: str
    only_here: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = [
            f"{whose} {', '.join(names)}"
            for whose, names in (("not offered:", self.only_here), ("not in the catalogue:", self.only_there))
            if names
        ]
        return f"{self.edition}, {self.what}: {'; '.join(told)}"


def run(options: Namespace) -> int:
    """Compares and tells; 1 where anything differs."""
    api = Clouds(engine_of(options.stack, options.config_file)).digitalocean
    answer = api.get(_OPTIONS) or {}
    if not isinstance(answer.get("options"), dict):
        raise OperationError(f"GET {_OPTIONS} of {api.base} names no options. Nothing could be compared.")
    today = date.fromisoformat(os.environ.get("TRELLIS_TODAY") or datetime.now(UTC).date().isoformat())
    found = list(differences(answer["options"], today))
    if options.json:
        say(json.dumps({"stack": options.stack, "differences": [asdict(one) for one in found]}))
    for one in () if options.json else found:
        say(paint(str(one), "yellow"))
    if not found and not options.json:
        say("The catalogue agrees with what DigitalOcean offers this account: editions, versions, regions, plans.")
    return 1 if found else 0


def differences(offered: Mapping[str, Any], today: date) -> Iterator[Difference]:
    """What an account is offered, as the API tells it, against the catalogue.

    Sizes that no phase can name are none of its business. The API tells no memory, no storage and no price.
    """
    for edition in Edition:
        engine = offered.get(edition.engine)
        if not isinstance(engine, dict):
            yield Difference(edition=edition, what="the edition", only_here=(edition.engine,))
            continue
        sizes = _sizes(engine)
        compared = (
            ("versions", edition.versions, engine.get("versions") or ()),
            ("regions", REGIONS, engine.get("regions") or ()),
            ("plans", _expected(edition, sizes[1], today), sizes[1] & PLANS.keys()),
            ("plans with a standby", _with_standby(edition, sizes, today), sizes[2] & PLANS.keys()),
        )
        for what, here, there in compared:
            only_here, only_there = _minus(here, there), _minus(there, here)
            if only_here or only_there:
                yield Difference(edition=edition, what=what, only_here=only_here, only_there=only_there)


def _sizes(engine: Mapping[str, Any]) -> Mapping[int, set[str]]:
    """Number of nodes -> sizes."""
    found: dict[int, set[str]] = {1: set(), 2: set()}
    for layout in engine.get("layouts") or ():
        found.setdefault(layout["num_nodes"], set()).update(layout["sizes"])
    return found


def _expected(edition: Edition, offered: Iterable[str], today: date) -> set[str]:
    if _is_limited(
        edition, all(PLANS[slug].memory_gib <= STANDARD_MOST_GIB for slug in offered if slug in PLANS), today
    ):
        return {slug for slug, plan in PLANS.items() if plan.memory_gib <= STANDARD_MOST_GIB}
    return set(PLANS)


def _with_standby(edition: Edition, sizes: Mapping[int, set[str]], today: date) -> set[str]:
    if _is_limited(edition, not sizes[2] & PLANS.keys(), today):
        return set()
    return {slug for slug, plan in PLANS.items() if plan.standby_allowed}


def _is_limited(edition: Edition, looks_so: bool, today: date) -> bool:
    """Whether the catalogue has the limits of new Standard clusters; between the two days either is right."""
    return edition is Edition.STANDARD and (today >= _FOR_ALL or (today >= _FIRST and looks_so))


def _minus(left: Iterable[str], right: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(left) - set(right), key=lambda name: (len(name), name)))
