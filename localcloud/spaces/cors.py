"""CORS rules: read from XML, shown again, and followed."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from localcloud.spaces.errors import S3Error
from localcloud.spaces.markup import Node, parse

_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_LISTS = {"AllowedOrigin": "origins", "AllowedMethod": "methods", "AllowedHeader": "headers", "ExposeHeader": "exposed"}


def read_rules(body: bytes) -> list[dict[str, Any]]:
    """The rules of a CORSConfiguration. Raises MalformedXML, InvalidRequest."""
    rules = []
    for element in parse(body, "CORSConfiguration").findall("CORSRule"):
        rule: dict[str, Any] = {
            name: [part.text or "" for part in element.findall(tag)] for tag, name in _LISTS.items()
        }
        wrong = [method for method in rule["methods"] if method not in _METHODS]
        if wrong or not rule["methods"] or not rule["origins"]:
            raise S3Error("InvalidRequest", f"A rule needs origins, and methods out of {', '.join(_METHODS)}.")
        if id := element.findtext("ID"):
            rule["id"] = id
        age = element.findtext("MaxAgeSeconds")
        if age is not None:
            if not age.isdigit():
                raise S3Error("MalformedXML", f"MaxAgeSeconds must be a number of seconds, not {age!r}.")
            rule["max_age"] = int(age)
        rules.append(rule)
    if not rules:
        raise S3Error("MalformedXML", "A CORSConfiguration needs a CORSRule.")
    return rules


def show_rules(rules: list[dict[str, Any]]) -> list[Node]:
    """The rules as the elements of a CORSConfiguration."""
    shown: list[Node] = []
    for rule in rules:
        inside: list[Node] = [("ID", rule["id"])] if "id" in rule else []
        inside += [(tag, text) for tag, name in _LISTS.items() for text in rule[name]]
        if "max_age" in rule:
            inside.append(("MaxAgeSeconds", rule["max_age"]))
        shown.append(("CORSRule", inside))
    return shown


def allow(rules: list[dict[str, Any]], origin: str, method: str, asked: list[str]) -> Mapping[str, str] | None:
    """The headers that let a page of this origin do this, None where no rule does. asked: the headers it will send."""
    for rule in rules:
        if (
            method in rule["methods"]
            and any(fnmatchcase(origin, pattern) for pattern in rule["origins"])
            and all(any(fnmatchcase(name.lower(), item.lower()) for item in rule["headers"]) for name in asked)
        ):
            headers = {
                "access-control-allow-origin": "*" if "*" in rule["origins"] else origin,
                "access-control-allow-methods": ", ".join(rule["methods"]),
                "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
            }
            if asked:
                headers["access-control-allow-headers"] = ", ".join(asked)
            if rule["exposed"]:
                headers["access-control-expose-headers"] = ", ".join(rule["exposed"])
            if "max_age" in rule:
                headers["access-control-max-age"] = str(rule["max_age"])
            return headers
    return None
