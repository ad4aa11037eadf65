"""No password in plain text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Secret, Severity, proxy

from .kinds import MASKED
from .rules import Rule, SecretRule
from .texts import decoded, readings

_UNKNOWN = frozenset(value for name, value in vars(proxy).items() if name.startswith("UNKNOWN_"))
_URI_KEY = re.compile(r"(uri|url|dsn)$")
_SECRET_NAME = re.compile(
    r"(password|passwd|passphrase|secret|token|credentials?|(^|_)(pass|pwd|pw)"
    r"|(api|access|account|auth|encryption|master|private|secret|signing)_?key(_?base)?)"
    # What several of a kind are told apart by.
    r"(_?\d+|_(prod|production|live|staging|test|dev|old|new|value))?$"
)
# What is a reference, such as ${db.PASSWORD} or $PGPASSWORD, holds nothing itself.
_PASSWORDS = {
    "a password in a URI": re.compile(
        r"\b[a-z][a-z0-9+.-]*://[^\s:/?#@]*:(?!\$)(?!\d{1,5}[/?#])[^\s@]+@", re.IGNORECASE
    ),
    "a password in a query": re.compile(r"[?&](password|passwd|pwd|pass|token|secret)=(?![$&])[^&\s]+", re.IGNORECASE),
    "a password": re.compile(
        r"\b(pgpassword|password|passwd|pwd|redis_?cli_?auth)\s*[=:]\s*['\"]?(?![$%{<*'\"\s])[^\s'\";&]+"
        r"|\b(password|identified\s+by)\s+'(?!\$|SCRAM-SHA-256\$)[^']+'"
        r"|(?<!\S)--?(password|passwd|passphrase)\s+['\"]?(?![$%{<*'\"\s-])\S+"
        r"|\bcurl\b[^\n|]*\s(-u|--user)\s*['\"]?[^\s:$'\"]+:(?!\$)[^\s'\"]+",
        re.IGNORECASE,
    ),
    "a DigitalOcean token": re.compile(r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    "a Pulumi token": re.compile(r"\bpul-[0-9a-f]{40}\b"),
}
_BASIC = re.compile(r"\bBasic\s+([A-Za-z0-9+/]{6,}={0,2})")
# What detect-secrets might know, for it takes a while to load: a run of letters with a digit, as tokens have.
_TOKEN_LIKE = re.compile(r"-----BEGIN|(?=[\w-]*\d)(?=[\w-]*[A-Z_])[\w-]{16,}|[\w-]{16,}\.[\w-]{16,}")
_DETECTORS = (
    "ArtifactoryDetector AWSKeyDetector AzureStorageKeyDetector CloudantDetector DiscordBotTokenDetector "
    "GitHubTokenDetector GitLabTokenDetector IbmCloudIamDetector JwtTokenDetector MailchimpDetector NpmDetector "
    "OpenAIDetector PrivateKeyDetector PypiTokenDetector SendGridDetector SlackDetector SquareOAuthDetector "
    "StripeDetector TelegramBotTokenDetector TwilioKeyDetector"
).split()


def names_secret(name: str) -> bool:
    """Whether a property or variable of this name, `secretKey` or `DB_PASS`, says that it is a secret."""
    return _SECRET_NAME.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()) is not None


def secret_in(text: str) -> str | None:
    """What secret stands in a text, such as "a password in a URI"; None where none is known."""
    found = next(
        (what for one in readings(text) for what, form in _PASSWORDS.items() if form.search(one)),
        "a password" if any(":" in (decoded(login) or "") for login in _BASIC.findall(text)) else None,
    )
    if found or not _TOKEN_LIKE.search(text):
        return found
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import transient_settings

    with transient_settings({"plugins_used": [{"name": name} for name in _DETECTORS]}):
        kinds = sorted({found.type for line in text.splitlines() for found in scan_line(line)})
    return f"a secret ({', '.join(kinds)})" if kinds else None


def plain_secrets(properties: Mapping[str, Any], waiting: list[str] | None = None) -> dict[str, str]:
    """The paths of what is secret by its name or by what stands in it and is not marked as a secret -> what it is.

    waiting: gets the paths that only `up` will know.
    """
    found = {}
    for path, key, text in _plain_texts(properties, "", ""):
        if text in _UNKNOWN:
            # Whether it is a secret is lost on the way here when the value is not known.
            if waiting is not None and (names_secret(key) or _URI_KEY.search(key.lower())):
                waiting.append(path)
        elif names_secret(key) and not text.startswith("${"):
            found[path] = "a plain text"
        elif what := secret_in(text):
            found[path] = f"a plain text with {what}"
    return found


def _plain(properties: Mapping[str, Any], waiting: list[str]) -> Iterator[str]:
    yield from (f"{path} is {what}." for path, what in plain_secrets(properties, waiting).items())


def _plain_texts(value: Any, path: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Every text outside secrets: its path, the name it goes by, and itself."""
    if isinstance(value, Mapping) and not isinstance(value, dict):
        # The SDK's proxy unwraps secrets; what it stands for does not.
        value = value["__target"]
    if isinstance(value, Secret) or (isinstance(value, Mapping) and MASKED in value):
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
