"""A database's schema as pg_dump writes it, entry by entry."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trellis.migrator.history import identifier
from trellis.operations.check.shadow.programs import WITHOUT_CHUNKS, dump_program

# pg_dump writes this above every object; a line end in a name becomes a space there.
_HEADER = re.compile(
    r"^--\n-- Name: (?P<name>.*); Type: (?P<kind>[^;\n]*); Schema: (?P<schema>.*); Owner: (?P<owner>.*?)"
    r"(?:; Tablespace: .*)?\n--\n",
    re.MULTILINE,
)
_END = re.compile(r"^--\n-- PostgreSQL database dump complete\n--\n", re.MULTILINE)
_BETWEEN = re.compile(r"(?:\n|\nSET default_(?:tablespace|table_access_method) = .*;)+\Z")
# Servers that a database refers to keep their passwords in its schema.
_PASSWORD = re.compile(r"(\bpassword[ =]+)(?:'(?:[^']|'')*'|[^\s']+)", re.IGNORECASE)
# Parameters that libpq knows since 16 or later, and tells of a connection although nobody has set them.
_NEWER = frozenset(
    {
        *("sslcertmode", "require_auth", "load_balance_hosts", "sslnegotiation"),
        *("min_protocol_version", "max_protocol_version", "scram_client_key", "scram_server_key", "sslkeylogfile"),
    }
)


class DumpError(Exception):
    """pg_dump could not read a database. The text is its own."""


@dataclass(frozen=True)
class Entry:
    """One object, or what belongs to one: its comment, its grants.

    kind: as pg_dump calls it, for example "TABLE" or "FK CONSTRAINT". schema, owner: "-" or empty where there is none.
    sql: what makes it.
    """

    kind: str
    schema: str
    name: str
    owner: str
    sql: str

    @property
    def shown(self) -> str:
        """The SQL as people may see it, without a password and without its owner."""
        kept = [line for line in self.sql.splitlines() if not line.endswith(f" OWNER TO {quoted(self.owner)};")]
        return _PASSWORD.sub(r"\1'********'", "\n".join(kept).strip())


def quoted(name: str) -> str:
    """A name as pg_dump writes it, in quotes where it needs them; what is a keyword stays without."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else identifier(name)


def dump(connection: psycopg.Connection[Any]) -> tuple[Entry, ...]:
    """The schema of the database that a connection leads to, with owners and grants, in an order that makes it anew.

    Subscriptions are left out: a copy of one would be a second subscriber. So are the tables that TimescaleDB makes
    for the rows of hypertables. Raises DumpError with what pg_dump said, OperationError when there is no pg_dump.
    """
    return entries(run_dump(connection, "--schema-only", WITHOUT_CHUNKS))


def run_dump(connection: psycopg.Connection[Any], *options: str) -> str:
    """Runs the pg_dump of a server's major version; gives what it wrote to its output. Raises as `dump` does."""
    done = subprocess.run(
        [
            dump_program(str(connection.info.server_version // 10000)),
            "--no-subscriptions",
            "--lock-wait-timeout=10s",
            *options,
            "-d",
            reached(connection),
        ],
        env=environment(connection.info.password),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise DumpError(done.stderr.strip())
    return done.stdout


def reached(connection: psycopg.Connection[Any]) -> str:
    """The way that a connection came, without its password and without what pg_dump of an older version refuses."""
    kept = {name: value for name, value in conninfo_to_dict(connection.info.dsn).items() if name not in _NEWER}
    return make_conninfo("", **kept)


def environment(password: str) -> Mapping[str, str]:
    """That of PostgreSQL's client programs: this one's, with this password, or none."""
    kept = {name: value for name, value in os.environ.items() if name != "PGPASSWORD"}
    return {**kept, "PGCLIENTENCODING": "UTF8", **({"PGPASSWORD": password} if password else {})}


def entries(text: str) -> tuple[Entry, ...]:
    """The entries of pg_dump's plain text."""
    end = _END.search(text)
    text = text[: end.start()] if end else text
    heads = list(_HEADER.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)][: len(heads)]
    return tuple(
        Entry(head["kind"], head["schema"], head["name"], head["owner"], _body(text[head.end() : stop]))
        for head, stop in zip(heads, ends, strict=True)
    )


def _body(text: str) -> str:
    # Settings for the next entry stand before its header.
    return _BETWEEN.sub("", text).strip("\n")
