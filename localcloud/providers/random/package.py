"""The random provider: values made once and kept until their keepers change."""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
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
KEEPERS = Property(name="keepers", kind=Kind.MAP, of=Kind.STRING, replace=True)


def _kept(_context: Context, state: State) -> Mapping[str, Any]:
    """There is nothing to read: a value is what the state says it is."""
    return state


def _made(make: Callable[[Plan], tuple[str, State]]) -> Callable[[Context, Plan], tuple[str, Mapping[str, Any]]]:
    return lambda _context, plan: make(plan)


def _no_request(_context: Context, _state: State) -> None:
    return None


def _results(_context: Context, _plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    state.update(answer)
    if "numeric" in state:
        state["number"] = state["numeric"]


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


def _password(plan: Plan) -> tuple[str, State]:
    result = characters(plan)
    return "none", {"result": result, "bcryptHash": bcrypt_hash(result)}


def _string(plan: Plan) -> tuple[str, State]:
    result = characters(plan)
    return result, {"result": result}


def _identifier(plan: Plan) -> tuple[str, State]:
    raw = secrets.token_bytes(int(plan.get("byteLength")))
    url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return url, id_forms(raw, plan.get("prefix"))


def id_forms(raw: bytes, prefix: str) -> State:
    """The spellings of an identifier's bytes, each after the prefix."""
    return {
        "b64Url": prefix + base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "b64Std": prefix + base64.b64encode(raw).decode(),
        "hex": prefix + raw.hex(),
        "dec": prefix + str(int.from_bytes(raw, "big")),
    }


def _uuid(_plan: Plan) -> tuple[str, State]:
    result = str(uuid.uuid4())
    return result, {"result": result}


def _adopt_characters(identity: str) -> State:
    classes = dict.fromkeys(CLASSES, True)
    least = {name: 0 for name, _ in CLASSES.values()}
    return {"id": identity, "result": identity, "length": len(identity), "number": True, **classes, **least}


def _adopt_password(identity: str) -> State:
    return {**_adopt_characters(identity), "id": "none", "bcryptHash": bcrypt_hash(identity)}


def _adopt_identifier(identity: str) -> State:
    prefix, comma, url = identity.rpartition(",")
    raw = base64.urlsafe_b64decode(url + "=" * (-len(url) % 4))
    forms = id_forms(raw, prefix)
    return {"id": url, "byteLength": len(raw), **forms, **({"prefix": prefix} if comma else {})}


def _characters_properties() -> tuple[Property, ...]:
    return (
        KEEPERS,
        integer("length", Mode.REQUIRED, replace=True),
        *(boolean(name, replace=True, default=True) for name in CLASSES),
        # An older name of `numeric`: here an output only.
        boolean("number", Mode.COMPUTED),
        *(integer(name, replace=True, default=0) for name, _ in CLASSES.values()),
        text("overrideSpecial", replace=True),
    )


def _random(name: str, noun: str, make: Callable[[Plan], tuple[str, State]], **more: Any) -> ResourceType:
    return ResourceType(
        token=f"random:index/{name[0].lower()}{name[1:]}:{name}",
        noun=noun,
        create=_made(make),
        settle=_results,
        read=_kept,
        delete=_no_request,
        received=False,
        **more,
    )


PACKAGE = Package(
    name="random",
    version=VERSION,
    resources=(
        _random(
            "RandomPassword",
            "random password",
            _password,
            properties=(
                *_characters_properties(),
                text("result", Mode.COMPUTED, secret=True),
                text("bcryptHash", Mode.COMPUTED, secret=True),
            ),
            verify=_verify,
            adopt=_adopt_password,
        ),
        _random(
            "RandomString",
            "random string",
            _string,
            properties=(*_characters_properties(), text("result", Mode.COMPUTED)),
            verify=_verify,
            adopt=_adopt_characters,
        ),
        _random(
            "RandomId",
            "random identifier",
            _identifier,
            properties=(
                KEEPERS,
                integer("byteLength", Mode.REQUIRED, replace=True, within=(1, 65536)),
                text("prefix", replace=True),
                *(text(name, Mode.COMPUTED) for name in ("b64Url", "b64Std", "hex", "dec")),
            ),
            adopt=_adopt_identifier,
        ),
        _random(
            "RandomUuid",
            "random UUID",
            _uuid,
            properties=(KEEPERS, text("result", Mode.COMPUTED)),
            adopt=lambda identity: {"id": identity, "result": identity},
        ),
    ),
)
