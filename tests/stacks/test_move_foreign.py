"""TUDAO comes from another provider's server while it is written to, goes back, and comes for good."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import yaml

from tests.migrator.servers import PASSWORD, PostgreSQL, server_folder
from tests.operations.test_move_foreign import FOREIGN_SCHEMA, INSERT, OWNER, tls_settings
from tests.stacks.harness import LocalStack, local_stack
from trellis.development.bring import Parts


@pytest.fixture(scope="module")
def foreign() -> Iterator[PostgreSQL]:
    """A PostgreSQL that belongs to nobody's stack: TLS, and an owner without superuser."""
    with ExitStack() as opened:
        folder = opened.enter_context(server_folder())
        server = PostgreSQL(folder)
        server.start({"wal_level": "logical", **tls_settings(folder)})
        opened.callback(server.stop)
        with server.connect() as connection:
            connection.execute(
                f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '{PASSWORD}';"
                f"GRANT pg_create_subscription TO {OWNER}"
            )
            connection.execute(f"CREATE DATABASE neondb OWNER {OWNER}")
        with server.connect("neondb", OWNER) as connection:
            connection.execute(FOREIGN_SCHEMA.encode())
        yield server


@pytest.fixture(scope="module")
def stack(parts: Parts, foreign: PostgreSQL) -> Iterator[LocalStack]:
    with local_stack(parts, "tudao") as stack:
        stack.api("POST", "/_local/account", {"subscriptions": True})
        yield stack


class Writer(threading.Thread):
    """An application that is told its way over again when it is refused."""

    def __init__(self, way: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.committed: list[str] = []
        self.ways = [way]
        self._ended = threading.Event()

    def run(self) -> None:
        at = 0
        while not self._ended.is_set():
            try:
                with psycopg.connect(
                    "", autocommit=True, prepare_threshold=None, **self.ways[at % len(self.ways)]
                ) as connection:
                    while not self._ended.is_set():
                        licence = f"NODE-{len(self.committed):05}"
                        connection.execute(INSERT, (licence, f"0x{len(self.committed):040x}"))
                        self.committed.append(licence)
                        self._ended.wait(0.02)
            except psycopg.Error:
                at += 1
                self._ended.wait(0.2)

    def end(self) -> None:
        self._ended.set()
        self.join(60)


def test_there_and_back_and_for_good(stack: LocalStack, foreign: PostgreSQL) -> None:
    secret = quote(PASSWORD)
    url = f"postgresql://{OWNER}:{secret}@127.0.0.1:{foreign.port}/neondb"
    key = ("--path", "trellis:from.tudao", "--config-file", str(stack.config_file))
    assert stack.pulumi("config", "set", "--plaintext", *key, url).code == 0
    refused = stack.trellis("move", "plan")
    assert refused.code == 1
    assert "trellis:from.tudao holds a password that everybody can read" in refused.text
    assert secret not in refused.text
    assert stack.pulumi("config", "set", "--secret", *key, url).code == 0
    assert secret not in stack.config_file.read_text()
    plan = must(stack, "plan")
    assert "tudao-db: from 127.0.0.1/neondb" in plan
    assert "tudao-db is made, with the schema of its files" in plan
    assert stack.changes() == []
    writer = Writer(foreign.parameters("neondb", OWNER) | {"sslmode": "require"})
    writer.start()
    try:
        refused = stack.trellis("move", "start")
        assert "127.0.0.1/neondb, public.notes: tudao-db/tudao has no such table" in flat(refused.text)
        must(stack, "start", "--leave", "public.notes")
        writer.ways.append(application(stack))
        stack.must("preview", "--expect-no-changes")
        assert "writes go to 127.0.0.1/neondb" in must(stack, "status")
        assert "hold the same" in must(stack, "verify")
        for action, server in (
            ("cutover", "tudao-db/tudao"),
            ("rollback", "127.0.0.1/neondb"),
            ("cutover", "tudao-db"),
        ):
            assert "hold the same" in must(stack, action)
            assert f"writes go to {server}" in must(stack, "status")
    finally:
        writer.end()
    assert len(writer.committed) > 100
    refused = stack.trellis("move", "finish")
    assert refused.code == 1
    assert "127.0.0.1/neondb takes writes that nobody carries over then" in flat(refused.text)
    must(stack, "finish", "--yes")
    with psycopg.connect("", **application(stack), prepare_threshold=None) as connection:
        found = {one for (one,) in connection.execute("SELECT license_id FROM buyers").fetchall()}
    with foreign.connect("neondb") as connection:
        there = {one for (one,) in connection.execute("SELECT license_id FROM buyers").fetchall()}
        for catalog in ("pg_publication", "pg_subscription", "pg_replication_slots"):
            assert connection.execute(f"SELECT count(*) FROM {catalog}".encode()).fetchone() == (0,)
        assert connection.execute("SELECT to_regnamespace('trellis_move')").fetchone() == (None,)
    assert set(writer.committed) <= found
    assert found == there
    assert not yaml.safe_load(stack.config_file.read_text())["config"].get("trellis:from")
    stack.must("preview", "--expect-no-changes")
    assert secret not in stack.state()
    assert "Nothing is to move" in must(stack, "plan")


def must(stack: LocalStack, action: str, *options: str) -> str:
    done = stack.trellis("move", action, *options)
    assert done.code == 0, done.text
    return done.text


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def application(stack: LocalStack) -> dict[str, Any]:
    uri = stack.outputs()["pooled_uris"]["tudao-db"]["tudao-pool"]
    authority = stack.workspace.folder / f"{stack.name}.crt"
    authority.write_text(stack.outputs()["ca_certificates"]["tudao-db"])
    return dict(psycopg.conninfo.conninfo_to_dict(uri, sslrootcert=str(authority)))
