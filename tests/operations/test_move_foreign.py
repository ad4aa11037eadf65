"""A database comes from a server that is not the stack's, as its owner, who is no superuser, over TLS."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.migrator.servers import PASSWORD, PostgreSQL, as_server_user, server_folder
from tools import ROOT
from trellis.migrator import Target, migrate
from trellis.operations.errors import OperationError
from trellis.operations.move import cutting, following, matching, streams, survey
from trellis.operations.move.sides import Pair, Side
from trellis.server.certificates import Authorities

OWNER = "neondb_owner"
ADMIN = "doadmin"
ROLES = {"app_role": "tudao_app", "analytics_role": "tudao_analytics"}
# As an object mapper has pushed it there: no domains, no triggers, a column order of its own.
FOREIGN_SCHEMA = """
CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('abc', 1);
CREATE TABLE public.buyers (
  license_id varchar(64) NOT NULL UNIQUE, id uuid PRIMARY KEY DEFAULT gen_random_uuid(), wallet varchar(42) NOT NULL,
  tier varchar(20) NOT NULL, status varchar(20) NOT NULL, email varchar(320), name varchar(200), tx_hash varchar(66),
  payment_method varchar(20), amount numeric, currency varchar(10), refunded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE SEQUENCE public.next_note;
CREATE TABLE public.notes (id int PRIMARY KEY DEFAULT nextval('public.next_note'), body text NOT NULL);
INSERT INTO public.notes (body) SELECT 'note ' || n FROM generate_series(1, 7) n;
"""
# The new side's own, beside TUDAO's files: an identity in place of the sequence, and one column more.
OWN_SCHEMA = """
CREATE TABLE public.notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, seen boolean);
"""
INSERT = "INSERT INTO public.buyers (license_id, wallet, tier, status) VALUES (%s, %s, 'standard', 'active')"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgreSQL, PostgreSQL]]:
    """A foreign PostgreSQL 17 with TLS, and a PostgreSQL 18 as the stack's."""
    with ExitStack() as opened:
        made = []
        for version, role in (("17", OWNER), ("18", ADMIN)):
            folder = opened.enter_context(server_folder())
            server = PostgreSQL(folder, version)
            server.start({"wal_level": "logical", "max_worker_processes": "16", **tls_settings(folder)})
            opened.callback(server.stop)
            with server.connect() as connection:
                connection.execute(
                    f"CREATE ROLE {role} LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '{PASSWORD}';"
                    f"GRANT pg_create_subscription TO {role}"
                )
            made.append(server)
        yield made[0], made[1]


def tls_settings(folder: Path) -> dict[str, str]:
    """Settings that turn TLS on, with a certificate that nobody knows."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    texts = {
        "server.crt": Authorities.first("foreign", now).server_certificate(key.public_key(), ["127.0.0.1"], now),
        "server.key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    }
    for name, text in texts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)
        if user := as_server_user().get("user"):
            import shutil

            shutil.chown(path, user)
    return {"ssl": "on", "ssl_cert_file": str(folder / "server.crt"), "ssl_key_file": str(folder / "server.key")}


@pytest.fixture
def pair(servers: tuple[PostgreSQL, PostgreSQL]) -> Iterator[Pair]:
    """TUDAO as it is on the foreign server, and the stack's own schema without a row."""
    foreign, own = servers
    with foreign.connect() as connection:
        connection.execute(f"CREATE DATABASE neondb OWNER {OWNER}")
    with own.connect() as connection:
        connection.execute(f"CREATE DATABASE tudao OWNER {ADMIN}")
        for role in ROLES.values():
            connection.execute(f"DROP ROLE IF EXISTS {role}")
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    made = Pair(old=_side(foreign, "neon", "neondb", OWNER), new=_side(own, "tudao-db", "tudao", ADMIN), foreign=True)
    migrate(made.new.target, ROOT / "migrations" / "tudao" / "tudao", ROLES)
    for side, schema in ((made.old, FOREIGN_SCHEMA), (made.new, OWN_SCHEMA)):
        with side.connect() as connection:
            connection.execute(schema.encode())
    yield made
    for source, target in ((made.old, made.new), (made.new, made.old)):
        streams.unsubscribe(made, source, target)
    for server, name in ((foreign, "neondb"), (own, "tudao")):
        with server.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _side(server: PostgreSQL, cluster: str, database: str, user: str) -> Side:
    parameters = server.parameters(database, user) | {"sslmode": "require", "channel_binding": "require"}
    peer = {key: str(value) for key, value in parameters.items()}
    return Side(cluster=cluster, database=database, target=Target(parameters), peer=peer)


class Writer(threading.Thread):
    """Sells one licence a transaction, on whichever side takes it."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(daemon=True)
        self.committed: list[str] = []
        self._ways = ((pair.old, OWNER), (pair.new, "tudao_app"))
        self._ended = threading.Event()

    def run(self) -> None:
        at = 0
        connection = self._connect(at)
        while not self._ended.is_set():
            licence = f"NODE-{len(self.committed):05}"
            try:
                connection.execute(INSERT, (licence, f"0x{len(self.committed):040x}"))
                self.committed.append(licence)
            except psycopg.errors.ReadOnlySqlTransaction:
                connection.close()
                at = 1 - at
                connection = self._connect(at)
        connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join(60)

    def _connect(self, at: int) -> psycopg.Connection[Any]:
        side, user = self._ways[at]
        return psycopg.connect("", autocommit=True, **(dict(side.peer) | {"user": user}))  # type: ignore[arg-type]


@contextmanager
def writing(pair: Pair) -> Iterator[Writer]:
    writer = Writer(pair)
    writer.start()
    try:
        yield writer
    finally:
        writer.end()


def licences(side: Side) -> set[str]:
    with side.connect() as connection:
        return {one for (one,) in connection.execute("SELECT license_id FROM public.buyers").fetchall()}


def test_there_and_back_under_writes_loses_nothing(pair: Pair) -> None:
    assert not [finding for finding in survey.source(pair.old).findings if finding.blocks]
    with writing(pair) as writer:
        assert following.follow(pair) == []
        for _ in following.copies([pair]):
            pass
        for to_new in (True, False, True):
            time.sleep(0.5)
            with cutting.cut([pair], to_new=to_new) as done:
                differences, tables, rows = done.snapshots[0].differences()
            assert not differences, [str(one) for one in differences]
            assert (tables, rows > 7) == (2, True)
        time.sleep(0.5)
    assert len(writer.committed) > 100
    assert set(writer.committed) <= licences(pair.new)
    assert cutting.is_close_behind(pair.new, pair.old)
    assert set(writer.committed) <= licences(pair.old)
    with pair.old.connect() as old, pair.new.connect() as new:
        # The next value of a sequence that has another name there.
        new.execute("INSERT INTO public.notes (body, seen) VALUES ('new', true)")
        assert new.execute("SELECT max(id) FROM public.notes").fetchone() == (8,)
        # Who asks the stack's database as its application has the files' grants and no more.
        assert new.execute("SELECT count(*) FROM public.flyway_schema_history").fetchone() != (0,)
        assert old.execute("SELECT pg_catalog.to_regclass('public.flyway_schema_history')").fetchone() == (None,)
        assert new.execute("SELECT pg_catalog.to_regnamespace('drizzle')").fetchone() == (None,)


def test_a_table_without_a_place_stops_it_before_anything_is_copied(pair: Pair) -> None:
    with pair.old.connect() as old:
        old.execute("CREATE TABLE public.leftover (id int PRIMARY KEY); ALTER TABLE public.notes ADD COLUMN extra text")
    with pytest.raises(OperationError) as refused:
        following.follow(pair)
    assert "neon/neondb, public.leftover: tudao-db/tudao has no such table. Make it by a migration, or" in str(
        refused.value
    )
    assert "neon/neondb, public.notes: the new table has no column extra" in str(refused.value)
    assert "drizzle" not in str(refused.value)
    with pair.old.connect() as old, pair.new.connect() as new:
        for side in (old, new):
            assert side.execute("SELECT pg_catalog.to_regnamespace('trellis_move')").fetchone() == (None,)
        old.execute("ALTER TABLE public.notes DROP COLUMN extra")
    assert following.follow(pair, ["public.leftover"]) == []


def test_rows_that_are_there_already_are_never_overwritten(pair: Pair) -> None:
    with pair.new.connect() as new:
        new.execute("INSERT INTO public.notes (body) VALUES ('mine')")
    with pytest.raises(OperationError, match=r'holds rows already in "public"."notes"'):
        following.follow(pair)
    with pair.new.connect() as new:
        new.execute("INSERT INTO public.notes (body) VALUES ('still open')")


def test_what_its_owner_may_not_do_is_told_before(pair: Pair, servers: tuple[PostgreSQL, PostgreSQL]) -> None:
    foreign, _ = servers
    with foreign.connect() as connection:
        connection.execute(f"ALTER ROLE {OWNER} NOREPLICATION; REVOKE pg_create_subscription FROM {OWNER}")
    try:
        found = survey.source(pair.old)
    finally:
        with foreign.connect() as connection:
            connection.execute(f"ALTER ROLE {OWNER} REPLICATION; GRANT pg_create_subscription TO {OWNER}")
    (blocking,) = [finding for finding in found.findings if finding.blocks]
    assert "may not replicate" in blocking.what
    assert not found.way_back


def test_a_server_that_cannot_reach_the_new_one_has_no_way_back_and_follows_all_the_same(pair: Pair) -> None:
    unreachable = {**pair.new.peer, "port": "1"}
    new = Side(cluster=pair.new.cluster, database=pair.new.database, target=pair.new.target, peer=unreachable)
    (lack,) = following.follow(Pair(old=pair.old, new=new, foreign=True))
    assert "after the cut there is no way back" in lack
    assert PASSWORD not in lack
    for _ in following.copies([pair]):
        pass
    # Once it is let in, the same step makes the way back.
    assert following.follow(pair) == []
    with pair.old.connect() as old:
        assert matching.offered(old, {'"public"."notes"': ["body", "id"]}) == ['"public"."notes"']
