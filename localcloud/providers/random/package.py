"""The random provider: passwords made once and kept until their keepers change."""

import secrets
import string
from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.planning import Plan
from localcloud.providers.random import VERSION
from localcloud.providers.schema import Kind, Mode, Property, ResourceType, State, boolean, integer, text
from localcloud.providers.servicer import Package

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
BCRYPT_COST = 10
# bcrypt looks at no more than this many bytes of a password.
BCRYPT_MAX_BYTES = 72

CLASSES = {
    "lower": ("minLower", string.ascii_lowercase),
    "upper": ("minUpper", string.ascii_uppercase),
    "numeric": ("minNumeric", string.digits),
    "special": ("minSpecial", SPECIAL),
}


def characters(plan: Plan) -> str:
    """A string of the planned length from the planned classes, at least the asked number from each."""
    alphabets = {
        name: alphabet if name != "special" else plan.get("overrideSpecial") or alphabet
        for name, (_, alphabet) in CLASSES.items()
    }
    chosen = [
        secrets.choice(alphabets[name]) for name, (least, _) in CLASSES.items() for _ in range(int(plan.get(least)))
    ]
    pool = "".join(alphabets[name] for name in CLASSES if plan.get(name))
    chosen += [secrets.choice(pool) for _ in range(int(plan.get("length")) - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)


def bcrypt_hash(password: str) -> str:
    """The bcrypt hash of a password."""
    import bcrypt

    secret = password.encode()[:BCRYPT_MAX_BYTES]
    return bcrypt.hashpw(secret, bcrypt.gensalt(BCRYPT_COST)).decode()


def _verify(inputs: State) -> dict[str, str]:
    if not any(inputs.get(name, True) for name in CLASSES):
        return {"length": f"at least one of {', '.join(CLASSES)} must be true"}
    least = sum(value for name, _ in CLASSES.values() if isinstance(value := inputs.get(name, 0), int))
    length = inputs.get("length")
    if isinstance(length, int) and length < max(least, 1):
        return {"length": f"length is {length}, but at least {max(least, 1)} characters are asked for"}
    return {}


def _create(_context: Context, plan: Plan) -> tuple[str, Mapping[str, Any]]:
    result = characters(plan)
    return "none", {"result": result, "bcryptHash": bcrypt_hash(result)}


def _settle(_context: Context, _plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    state.update(answer)
    state["number"] = state["numeric"]


def _adopt(identity: str) -> State:
    classes = dict.fromkeys(("number", *CLASSES), True)
    least = {name: 0 for name, _ in CLASSES.values()}
    made = {"result": identity, "bcryptHash": bcrypt_hash(identity)}
    return {"id": "none", "length": len(identity), **made, **classes, **least}


PASSWORD = ResourceType(
    token="random:index/randomPassword:RandomPassword",  # noqa: S106
    noun="random password",
    properties=(
        Property(name="keepers", kind=Kind.MAP, of=Kind.STRING, replace=True),
        integer("length", Mode.REQUIRED, replace=True),
        *(boolean(name, replace=True, default=True) for name in CLASSES),
        # An older name of `numeric`: here an output only.
        boolean("number", Mode.COMPUTED),
        *(integer(name, replace=True, default=0) for name, _ in CLASSES.values()),
        text("overrideSpecial", replace=True),
        text("result", Mode.COMPUTED, secret=True),
        text("bcryptHash", Mode.COMPUTED, secret=True),
    ),
    verify=_verify,
    create=_create,
    settle=_settle,
    adopt=_adopt,
    # There is nothing to read and to delete: a value is what the state says it is.
    read=lambda _context, state: state,
    delete=lambda _context, _state: None,
    received=False,
)

PACKAGE = Package(name="random", version=VERSION, resources=(PASSWORD,))
