"""No password in plain text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Secret, Severity, proxy

from .rules import Rule, SecretRule

_UNKNOWN = frozenset(value for name, value in vars(proxy).items() if name.startswith("UNKNOWN_"))
_SECRET_KEY = re.compile(r"(password|passwd|passphrase|secret|secretkey|apikey|privatekey|accesskey|token)$")
_URI_KEY = re.compile(r"(uri|url|dsn)$")
# A URI with a password that is not a reference such as ${db.PASSWORD}.
PASSWORD_IN_URI = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]*:(?!\$\{)[^\s:/@]+@")


def _plain(properties: Mapping[str, Any], waiting: list[str]) -> Iterator[str]:
    for path, key, text in _plain_texts(properties, "", ""):
        name = re.sub(r"[^a-z]", "", key.lower())
        if text in _UNKNOWN:
            # Whether it is a secret is lost on the way here when the value is not known.
            if _SECRET_KEY.search(name) or _URI_KEY.search(name):
                waiting.append(path)
        elif _SECRET_KEY.search(name) and not text.startswith("${"):
            yield f"{path} is a plain text."
        elif PASSWORD_IN_URI.search(text):
            yield f"{path} is a plain text with a password in a URI."


def _plain_texts(value: Any, path: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Every text outside secrets: its path, the name it goes by, and itself."""
    if isinstance(value, Mapping) and not isinstance(value, dict):
        # The SDK's proxy unwraps secrets; what it stands for does not.
        value = value["__target"]
    if isinstance(value, Secret):
        return
    if isinstance(value, str):
        if value:
            yield path, key, value
    elif isinstance(value, Mapping):
        # An environment variable goes by its `key`, not by the word `value`.
        named = value.get("key") if isinstance(value.get("key"), str) else None
        for name, inner in value.items():
            yield from _plain_texts(inner, f"{path}.{name}".lstrip("."), named if named and name == "value" else name)
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _plain_texts(inner, f"{path}[{index}]", key)


RULES: tuple[Rule, ...] = (
    SecretRule(
        name="no-plain-password",
        protects="What is no secret to Pulumi stands in the state and in every preview for all to read.",
        fix="Take it from secret config, or wrap it in a secret output.",
        source="https://www.pulumi.com/docs/iac/concepts/secrets/",
        severity=Severity.CRITICAL,
        check=_plain,
    ),
)
