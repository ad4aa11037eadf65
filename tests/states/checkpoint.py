"""A stack's state without the one cloud it was made on, and the same state with another cloud's values."""

from collections.abc import Collection, Mapping
from typing import Any

# Stands where a value belongs to one cloud: an id, a port, a ciphertext, a certificate, a fingerprint, a time.
LIVE = "<live>"

# Where in the program a resource was made: paths of the machine that recorded.
OF_THE_MACHINE = ("sourcePosition", "stackTrace")

Resource = dict[str, Any]
Deployment = dict[str, Any]


class DifferentError(Exception):
    """Two states do not fit together. The text says where."""


def recorded(first: Deployment, second: Deployment) -> Deployment:
    """What two stacks of one program have in common, on two clouds that ran side by side.

    What differs in an id, an input or an output belongs to a cloud, and is LIVE. All else stays to the letter.
    """
    others = _by_identity(second)
    resources = []
    for resource in first["resources"]:
        other = others[_identity(resource)]
        urn = resource["urn"]
        parts = {part: _common(resource[part], other[part], f"{urn}: {part}") for part in _parts_of_a_cloud(resource)}
        told = {key: value for key, value in resource.items() if key not in OF_THE_MACHINE}
        resources.append({**told, **parts})
    return {"resources": resources}


def transplanted(record: Deployment, live: Deployment, repeatable: Collection[str] = ()) -> Deployment:
    """The recorded state as if it had been made on the cloud of the live one.

    Raises DifferentError where the live state has nothing to put in place of LIVE, and where it has a resource that
    the recorded one has not: that one could not be made a second time, unless its type is `repeatable`.
    """
    found = _by_identity(live)
    known = _by_identity(record)
    added = {identity for identity, one in found.items() if identity not in known and one["type"] not in repeatable}
    if added:
        raise DifferentError(f"not in the recorded state: {', '.join(sorted(added))}")
    resources = []
    for resource in record["resources"]:
        other = found.get(_identity(resource), {})
        parts = {
            part: _filled(resource[part], other.get(part), f"{resource['urn']}: {part}")
            for part in _parts_of_a_cloud(resource)
        }
        resources.append({**resource, **parts})
    # The manifest and the salt of the secrets are the live state's: its ciphertexts belong to them.
    return {**live, "resources": resources}


def _parts_of_a_cloud(resource: Resource) -> list[str]:
    # The id of a provider is the engine's own, and other resources name it.
    ids = [] if _is_provider(resource) else ["id"]
    return [part for part in (*ids, "inputs", "outputs") if part in resource]


def _by_identity(deployment: Deployment) -> Mapping[str, Resource]:
    return {_identity(resource): resource for resource in deployment["resources"]}


def _identity(resource: Resource) -> str:
    # A default provider has its version in its URN, and there is one of a kind.
    return str(resource["type"] if _is_provider(resource) else resource["urn"])


def _is_provider(resource: Resource) -> bool:
    return str(resource["type"]).startswith("pulumi:providers:")


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get("ciphertext") == LIVE


def _common(first: Any, second: Any, where: str) -> Any:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return {key: _common(value, second[key], f"{where}.{key}") for key, value in first.items()}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [
            _common(one, other, f"{where}[{place}]")
            for place, (one, other) in enumerate(zip(first, second, strict=True))
        ]
    if isinstance(first, dict | list) or isinstance(second, dict | list):
        raise DifferentError(f"{where}: two recordings have another structure")
    return first if first == second else LIVE


def _filled(record: Any, live: Any, where: str) -> Any:
    if record == LIVE:
        if live is None or isinstance(live, dict | list):
            raise DifferentError(f"{where}: the live state has no such value")
        return live
    if isinstance(record, dict):
        values = live if isinstance(live, dict) else {}
        return {
            key: _filled(value, values.get(key), f"{where}.{key}")
            for key, value in record.items()
            # The official plugin keeps some empty secrets that the bundled one leaves out, and no key for them is here.
            if not (_is_secret(value) and key not in values)
        }
    if isinstance(record, list):
        values = dict(enumerate(live)) if isinstance(live, list) else {}
        return [_filled(value, values.get(place), f"{where}[{place}]") for place, value in enumerate(record)]
    return record
