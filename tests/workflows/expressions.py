"""GitHub's expressions, `${{ … }}` and `if:`, as far as our workflows use them. What is not known raises."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(\|\||&&|==|!=|[()])|'((?:[^']|'')*)'|([A-Za-z_][\w.-]*))")
_INSIDE = re.compile(r"\$\{\{(.*?)\}\}")
# Functions that look at how the job went so far. Without one of them success() is asked first.
STATUS = ("always", "success", "failure", "cancelled")
# What is not set in these is empty; a name that is wrong elsewhere is a mistake.
_OPEN = ("vars", "secrets")


def evaluate(text: str, context: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """The value of one expression."""
    tokens = _tokens(text)
    value = _either(tokens, context, functions)
    assert not tokens, f"{text!r} goes on after its end: {tokens}"
    return value


def fill(text: str, context: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """A text with its expressions filled in; the value itself where the text is one expression."""
    if text.count("${{") == 1 and (whole := _INSIDE.fullmatch(text.strip())):
        return evaluate(whole[1], context, functions)
    return _INSIDE.sub(lambda found: shown(evaluate(found[1], context, functions)), text)


def shown(value: Any) -> str:
    """A value as GitHub puts it into a text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def asks_for_status(text: str) -> bool:
    """Whether an `if:` says itself what is to come before."""
    return any(re.search(rf"\b{name}\(", text) for name in STATUS)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        assert token, f"{text!r} is not understood from {text[at:]!r} on"
        sign, string, name = token.groups()
        found.append(("sign", sign) if sign else ("name", name) if name else ("text", string.replace("''", "'")))
        at = token.end()
    return found


def _take(tokens: list[tuple[str, str]], *signs: str) -> str | None:
    if tokens and tokens[0][0] == "sign" and tokens[0][1] in signs:
        return tokens.pop(0)[1]
    return None


def _either(tokens: list[tuple[str, str]], *known: Any) -> Any:
    value = _both(tokens, *known)
    while _take(tokens, "||"):
        other = _both(tokens, *known)
        value = value or other
    return value


def _both(tokens: list[tuple[str, str]], *known: Any) -> Any:
    value = _compared(tokens, *known)
    while _take(tokens, "&&"):
        other = _compared(tokens, *known)
        value = value and other
    return value


def _compared(tokens: list[tuple[str, str]], *known: Any) -> Any:
    value = _single(tokens, *known)
    while sign := _take(tokens, "==", "!="):
        value = (shown(value) == shown(_single(tokens, *known))) is (sign == "==")
    return value


def _single(tokens: list[tuple[str, str]], context: Mapping[str, Any], functions: Mapping[str, Any]) -> Any:
    if _take(tokens, "("):
        value = _either(tokens, context, functions)
        assert _take(tokens, ")")
        return value
    kind, text = tokens.pop(0)
    if kind == "text":
        return text
    assert kind == "name"
    if not _take(tokens, "("):
        return _looked_up(text, context)
    arguments = [] if tokens[0] == ("sign", ")") else [_either(tokens, context, functions)]
    assert _take(tokens, ")")
    return functions[text](*arguments)


def _looked_up(name: str, context: Mapping[str, Any]) -> Any:
    root, *rest = name.split(".")
    value = context[root]
    for part in rest:
        value = value.get(part) if root in _OPEN else value[part]
    return value
