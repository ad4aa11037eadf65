"""Lifecycle rules: read from XML, shown again, and carried out."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from localcloud.spaces import versions
from localcloud.spaces.errors import S3Error, not_implemented
from localcloud.spaces.markup import Node, flag, parse
from localcloud.spaces.store import Store, Transaction, moment, time_of
from localcloud.spaces.uploads import abort

_ACTIONS: Mapping[str, Mapping[str, str]] = {
    "Expiration": {"Days": "days", "Date": "date", "ExpiredObjectDeleteMarker": "expired_marker"},
    "NoncurrentVersionExpiration": {"NoncurrentDays": "noncurrent_days"},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "abort_days"},
}
"""The actions that are carried out: their elements, and what a rule calls them."""

_MOST_RULES = 100


def read_rules(body: bytes) -> list[dict[str, Any]]:
    """The rules of a LifecycleConfiguration. Raises MalformedXML, InvalidArgument, NotImplemented."""
    rules = [_rule(element) for element in parse(body, "LifecycleConfiguration").findall("Rule")]
    if not 0 < len(rules) <= _MOST_RULES:
        raise S3Error("MalformedXML", f"A lifecycle has from 1 to {_MOST_RULES} rules.")
    if len({rule["id"] for rule in rules}) != len(rules):
        raise S3Error("InvalidArgument", "Two rules have the same ID.")
    return rules


def show_rules(rules: list[dict[str, Any]]) -> list[Node]:
    """The rules as the elements of a LifecycleConfiguration."""
    return [("Rule", _show(rule)) for rule in rules]


def sweep(store: Store, at: datetime) -> dict[str, int]:
    """Carries out the rules of every bucket as they stand at this time. Returns what was removed, by kind.

    A day counts as 24 hours from the write on; DigitalOcean goes by whole days and takes its time.
    """
    done = {"expired": 0, "noncurrent": 0, "markers": 0, "uploads": 0}
    for name in sorted(store.names()):
        with store.transaction() as transaction:
            for rule in transaction.bucket(name).lifecycle:
                if rule["enabled"]:
                    for kind, number in _apply(transaction, name, rule, at).items():
                        done[kind] += number
    return done


def _rule(element: Element) -> dict[str, Any]:
    known = {"ID", "Prefix", "Filter", "Status", *_ACTIONS}
    for part in element:
        if part.tag not in known:
            raise not_implemented(f"{part.tag} in a lifecycle rule; there are {', '.join(sorted(known))}")
    status = element.findtext("Status", "")
    if status not in ("Enabled", "Disabled"):
        raise S3Error("MalformedXML", "Status of a rule must be Enabled or Disabled.")
    rule: dict[str, Any] = {
        "id": element.findtext("ID") or uuid.uuid4().hex,
        "prefix": _prefix(element),
        "enabled": status == "Enabled",
    }
    for action, parts in _ACTIONS.items():
        found = element.find(action)
        for part in found if found is not None else ():
            if part.tag not in parts:
                raise not_implemented(f"{action}/{part.tag} in a lifecycle rule")
            rule[parts[part.tag]] = _value(part)
    if len(rule) == 3:
        raise S3Error("InvalidRequest", f"A rule needs at least one of {', '.join(_ACTIONS)}.")
    return rule


def _prefix(element: Element) -> str:
    found = element.find("Filter")
    if found is None:
        return element.findtext("Prefix") or ""
    both = found.find("And")
    found = found if both is None else both
    for part in found:
        if part.tag != "Prefix":
            raise not_implemented(f"Filter/{part.tag} in a lifecycle rule; filter by Prefix")
    return found.findtext("Prefix") or ""


def _value(part: Element) -> Any:
    text = (part.text or "").strip()
    if part.tag == "ExpiredObjectDeleteMarker":
        return text == "true"
    if part.tag == "Date":
        try:
            return moment(datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC))
        except ValueError:
            raise S3Error("InvalidArgument", f"Date {text!r} is not a time such as 2026-01-02T00:00:00Z.") from None
    if not text.isdigit() or int(text) < 1:
        raise S3Error("InvalidArgument", f"{part.tag} must be a positive number of days, not {text!r}.")
    return int(text)


def _show(rule: Mapping[str, Any]) -> list[Node]:
    shown: list[Node] = [
        ("ID", rule["id"]),
        ("Filter", [("Prefix", rule["prefix"])]),
        ("Status", "Enabled" if rule["enabled"] else "Disabled"),
    ]
    for action, parts in _ACTIONS.items():
        inside: list[Node] = [
            (tag, flag(rule[name]) if isinstance(rule[name], bool) else rule[name])
            for tag, name in parts.items()
            if name in rule
        ]
        if inside:
            shown.append((action, inside))
    return shown


def _apply(transaction: Transaction, bucket: str, rule: Mapping[str, Any], at: datetime) -> dict[str, int]:
    done = {}
    if "days" in rule:
        done["expired"] = _expire(transaction, bucket, rule, at - timedelta(days=rule["days"]), at)
    elif "date" in rule and at >= time_of(rule["date"]):
        done["expired"] = _expire(transaction, bucket, rule, at, at)
    if "noncurrent_days" in rule:
        done["noncurrent"] = _expire_noncurrent(transaction, bucket, rule, at)
    if rule.get("expired_marker"):
        done["markers"] = _remove_lone_markers(transaction, bucket, rule["prefix"])
    if "abort_days" in rule:
        done["uploads"] = _abort_uploads(transaction, bucket, rule, at)
    return done


def _expire(transaction: Transaction, bucket: str, rule: Mapping[str, Any], before: datetime, at: datetime) -> int:
    rows = transaction.index.execute(
        f"SELECT key FROM versions WHERE bucket = ? AND NOT marker AND modified <= ? AND {versions.LATEST}",  # noqa: S608
        (bucket, moment(before)),
    ).fetchall()
    keys = [row["key"] for row in rows if row["key"].startswith(rule["prefix"])]
    for key in keys:
        versions.delete(transaction, transaction.bucket(bucket), key, at=moment(at))
    return len(keys)


def _expire_noncurrent(transaction: Transaction, bucket: str, rule: Mapping[str, Any], at: datetime) -> int:
    """A version stops being current with the write of the next one."""
    rows = transaction.index.execute(
        "SELECT key, id, lead(modified) OVER (PARTITION BY key ORDER BY seq) AS replaced"
        " FROM versions WHERE bucket = ?",
        (bucket,),
    ).fetchall()
    latest = moment(at - timedelta(days=rule["noncurrent_days"]))
    old = [
        row for row in rows if row["replaced"] and row["replaced"] <= latest and row["key"].startswith(rule["prefix"])
    ]
    for row in old:
        versions.delete(transaction, transaction.bucket(bucket), row["key"], row["id"])
    return len(old)


def _remove_lone_markers(transaction: Transaction, bucket: str, prefix: str) -> int:
    rows = transaction.index.execute(
        "SELECT key, id, max(marker) AS marker FROM versions WHERE bucket = ? GROUP BY key HAVING count(*) = 1",
        (bucket,),
    ).fetchall()
    lone = [row for row in rows if row["marker"] and row["key"].startswith(prefix)]
    for row in lone:
        versions.delete(transaction, transaction.bucket(bucket), row["key"], row["id"])
    return len(lone)


def _abort_uploads(transaction: Transaction, bucket: str, rule: Mapping[str, Any], at: datetime) -> int:
    rows = transaction.index.execute(
        "SELECT id, key FROM uploads WHERE bucket = ? AND created <= ?",
        (bucket, moment(at - timedelta(days=rule["abort_days"]))),
    ).fetchall()
    old = [row["id"] for row in rows if row["key"].startswith(rule["prefix"])]
    for upload in old:
        abort(transaction, upload)
    return len(old)
