"""Pages of a bucket's objects and versions: prefix, delimiter, where to go on."""

from dataclasses import dataclass, field

from localcloud.spaces.store import Transaction, Version
from localcloud.spaces.versions import LATEST, as_version, find

_LAST = "\U0010ffff"
"""Sorts after every character that keys are made of."""

_BATCH = 1000


@dataclass
class Page:
    """One page, in the order of keys. last: the key or common prefix it ends with, and its version; None at the end
    of the list."""

    versions: list[Version] = field(default_factory=list)
    latest: set[int] = field(default_factory=set)
    prefixes: list[str] = field(default_factory=list)
    last: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked for. after: the key to go on behind; after_version: the version of it, in a list of versions."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_version: str = ""
    limit: int = 1000
    all_versions: bool = False


def list_versions(transaction: Transaction, question: Question) -> Page:
    """The page that answers a question: the objects that are there, or all versions and markers, newest first."""
    page = Page()
    position = _start(transaction, question)
    newest = ""
    while True:
        rows = _rows(transaction, question, position)
        for version in rows:
            common = _common_prefix(question, version.key)
            if len(page.versions) + len(page.prefixes) == question.limit:
                page.last = page.last or ("", "")
                return page
            if common:
                page.prefixes.append(common)
                page.last = (common, "")
                position = (common + _LAST, 0)
                break
            if version.key != newest:
                newest = version.key
                if not question.all_versions or _is_latest(transaction, version):
                    page.latest.add(version.seq)
            page.versions.append(version)
            page.last = (version.key, version.id)
            position = (version.key, version.seq)
        else:
            if len(rows) < _BATCH:
                page.last = None
                return page


def _start(transaction: Transaction, question: Question) -> tuple[str, int]:
    after = question.after
    if after and _common_prefix(question, after) == after:
        return after + _LAST, 0
    if question.after_version:
        found = find(transaction, question.bucket, after, question.after_version)
        return after, found.seq if found is not None else 0
    return after, 0


def _rows(transaction: Transaction, question: Question, position: tuple[str, int]) -> list[Version]:
    which = "" if question.all_versions else f"AND NOT marker AND {LATEST}"
    key, seq = position
    rows = transaction.index.execute(
        f"SELECT * FROM versions WHERE bucket = ? AND key >= ? AND key < ? AND (key > ? OR key = ? AND seq < ?) {which}"  # noqa: S608
        " ORDER BY key, seq DESC LIMIT ?",
        (question.bucket, question.prefix, question.prefix + _LAST, key, key, seq, _BATCH),
    )
    return [as_version(row) for row in rows]


def _is_latest(transaction: Transaction, version: Version) -> bool:
    found = find(transaction, version.bucket, version.key)
    return found is not None and found.seq == version.seq


def _common_prefix(question: Question, key: str) -> str:
    if not question.delimiter or not key.startswith(question.prefix):
        return ""
    head, found, _ = key[len(question.prefix) :].partition(question.delimiter)
    return question.prefix + head + found if found else ""
