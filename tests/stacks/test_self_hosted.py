"""The chain from an application's login over administrator and superuser to root breaks at each step."""

import contextlib
import json
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from tests.stacks.harness import Finished, LocalStack, from_address, local_stack, wait_for
from trellis.development.bring import Parts
from trellis.server.arrangement import served
from trellis.server.certificates import Authorities
from trellis.server.scram import verifier

pytestmark = pytest.mark.droplets

CLUSTER = "freshtrack-db"
LOGIN = "freshtrack_app"
OTHER = ("other_app", "o" * 32)
# What an earlier program left in the administrator's database.
BEFORE = """
DROP SCHEMA server CASCADE;
ALTER ROLE doadmin CREATEROLE;
GRANT pg_execute_server_program TO doadmin;
SET ROLE doadmin;
CREATE SCHEMA server;
CREATE TABLE server.settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE server.sources (range cidr PRIMARY KEY);
CREATE TABLE server.pools (name text PRIMARY KEY, database text NOT NULL, mode text NOT NULL, size integer NOT NULL);
"""


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with local_stack(parts, "freshtrack", mode="self-hosted") as stack:
        stack.up()
        yield stack


@pytest.fixture(scope="module")
def admin(stack: LocalStack) -> Iterator[psycopg.Connection[Any]]:
    """The administrator, in the database whose tables the server carries out."""
    with stack.connect(_direct(stack).replace("/freshtrack?", "/defaultdb?")) as connection:
        yield connection


def test_a_backup_and_a_drill_of_it(stack: LocalStack, tmp_path: Path) -> None:
    refused = stack.trellis("drill")
    assert (refused.code, "no cloud keeps its past. Give --from" in refused.text) == (2, True), refused.text
    done = stack.trellis("backup", "--to", str(tmp_path))
    assert done.code == 0, done.text
    done = stack.trellis("drill", "--from", str(tmp_path / stack.name), "--output", str(tmp_path / "report.md"))
    assert done.code == 0, done.text
    assert f"## {CLUSTER}: proven" in (tmp_path / "report.md").read_text()
    assert stack.api("GET", "/v2/databases")["databases"] == []


def test_it_has_query_statistics(stack: LocalStack) -> None:
    """The administrator cannot make the extension; a database that it makes has it all the same."""
    with stack.connect(_direct(stack)) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP EXTENSION pg_stat_statements")
    looked = stack.trellis("status", "--grants", "--json")
    assert {"no-statement-statistics", "not-known", "server"} & {name for name, _ in _findings(looked)} == set()


def _findings(looked: Finished) -> list[tuple[str, str]]:
    return [(one["name"], one["what"]) for one in json.loads(looked.text)["findings"]]


def test_a_pool_is_no_way_to_a_session_of_the_superuser(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    for name, database, mode in (
        ("x", "postgres user=postgres", "session"),
        ("x = dbname=postgres user=postgres\ny", "postgres", "session"),
        ("x", "postgres", "session user=postgres"),
        ("pgbouncer", "postgres", "session"),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            _pool(admin, name, database, mode)
    # Whoever took the checks away meets the service, and then an account that the server does not take for its own.
    drop = "SELECT format('ALTER TABLE server.pools DROP CONSTRAINT %I', conname) FROM pg_constraint"
    _as_superuser(stack, f"{drop} WHERE conrelid = 'server.pools'::regclass AND contype = 'c' \\gexec")
    try:
        _pool(admin, "x", "postgres user=postgres", "session")
        wait_for(lambda: _state(admin, "synchronisation")[0] is False)
        assert "dbname=postgres user=postgres" in _state(admin, "synchronisation")[1]
        assert "refused, and nothing was changed" in _on(stack, "journalctl", "-u", "trellis-sync", "--no-pager")
        assert "user=" not in _on(stack, "cat", "/etc/pgbouncer/pools.ini")
        with pytest.raises(psycopg.OperationalError):
            _pooled(stack, "x")
    finally:
        admin.execute("DELETE FROM server.pools WHERE name = 'x'")
    wait_for(lambda: _state(admin, "synchronisation")[0] is True)
    assert _on(stack, "ps", "-o", "user=", "-C", "pgbouncer").split() == ["pgbouncer"]
    for user in ("postgres", "doadmin"):
        assert _fails(stack, "runuser", "-u", "pgbouncer", "--", "psql", "-p", "25060", "-U", user, "-c", "SELECT 1")


def test_a_setting_is_a_size_and_no_command(admin: psycopg.Connection[Any]) -> None:
    for name, value in (
        ("archive_command", "touch /tmp/x"),
        ("shared_preload_libraries", "x"),
        ("max_connections = 9\narchive_command", "9"),
        ("max_connections", "9'\narchive_command = 'touch /tmp/x"),
        ("effective_cache_size", "1MB\n"),
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            admin.execute("INSERT INTO server.settings VALUES (%s, %s)", (name, value))


def test_the_administrator_becomes_no_superuser(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    text = verifier(*OTHER)
    _as_superuser(stack, "CREATE ROLE strong; GRANT pg_read_server_files TO strong; CREATE ROLE super SUPERUSER")
    for name in ("postgres", "strong", "super", "doadmin", "pg_execute_server_program", 'a" "b"\n"postgres', "Upper"):
        with pytest.raises((psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege)):
            admin.execute("SELECT server.login(%s, %s)", (name, text))
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        admin.execute("SELECT server.login(%s, %s)", ("fine", f'{text}" "postgres'))
    for statement in (
        "GRANT pg_execute_server_program TO doadmin",
        "GRANT pg_write_server_files TO doadmin",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER TABLE server.pools ADD COLUMN x int",
        "CREATE FUNCTION server.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER x BEFORE INSERT ON server.state EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute(statement)


def test_a_name_of_a_role_injects_no_line(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    name = 'a" "b"\n"postgres'
    create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier(*OTHER)))
    _as_superuser(stack, create.as_string(admin))
    admin.execute("SELECT server.login(%s, %s)", (OTHER[0], verifier(*OTHER)))
    wait_for(lambda: OTHER[0] in _on(stack, "cat", "/etc/pgbouncer/userlist.txt"))
    listed = _on(stack, "cat", "/etc/pgbouncer/userlist.txt").splitlines()
    expected = ("doadmin", LOGIN, OTHER[0], "trellis_review_freshtrack")
    assert sorted(line.split()[0] for line in listed) == sorted(f'"{login}"' for login in expected)


def test_operators_of_others_are_not_called(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    """The administrator owns the database, and so can make what looks like PostgreSQL's own."""
    admin.execute("CREATE TABLE IF NOT EXISTS public.called (by text)")
    for kind in ("name", "text", "cidr", "inet"):
        admin.execute(
            f"CREATE OR REPLACE FUNCTION public.trap(text, {kind}) RETURNS text LANGUAGE sql AS"
            " 'INSERT INTO public.called VALUES (current_user) RETURNING by'"
        )
        admin.execute(f"CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = {kind}, FUNCTION = public.trap)")
    admin.execute("ALTER ROLE doadmin SET search_path = public, pg_catalog")
    admin.execute("INSERT INTO server.sources VALUES ('198.51.100.0/24')")
    wait_for(lambda: "198.51.100.0/24" in _on(stack, "cat", "/etc/pgbouncer/hba.conf"))
    assert admin.execute("SELECT * FROM public.called").fetchall() == []
    admin.execute("DELETE FROM server.sources WHERE range = '198.51.100.0/24'")
    admin.execute("ALTER ROLE doadmin RESET search_path")


def test_an_application_reaches_its_own_database_and_its_own_pool_alone(
    stack: LocalStack, admin: psycopg.Connection[Any]
) -> None:
    application = urlsplit(_uri(stack))
    login = (application.username, application.password)
    uri = _direct(stack).replace("/freshtrack?", "/defaultdb?")
    # Whom a pool is for does not come past it: not into its own database either, with the right password.
    for (user, password), way, refusal in (
        (login, uri, "pg_hba.conf rejects connection"),
        (login, _direct(stack), "pg_hba.conf rejects connection"),
        (OTHER, uri, "permission denied for database"),
    ):
        own = way.replace(urlsplit(way).netloc.rpartition("@")[0], f"{user}:{password}")
        with pytest.raises(psycopg.OperationalError, match=refusal):
            psycopg.connect(own, sslrootcert=str(stack.authority()), connect_timeout=10)
    with _pooled(stack, "app-pool") as connection:
        row = connection.execute("SELECT current_user, current_setting('server_encoding')").fetchone()
    assert row == (LOGIN, "UTF8")
    administrator = urlsplit(uri)
    for user, password in (OTHER, (str(administrator.username), str(administrator.password))):
        with pytest.raises(psycopg.OperationalError):
            _pooled(stack, "app-pool", user, password)


def test_the_reviewer_reads_the_history_and_no_row(stack: LocalStack) -> None:
    with stack.connect(stack.outputs()["review_uris"][CLUSTER]["freshtrack"]) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM flyway_schema_history").fetchone() == (True,)
        for statement in ("SELECT * FROM sites", "SET ROLE doadmin", "DELETE FROM flyway_schema_history"):
            connection.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_who_is_the_server_becomes_no_root(stack: LocalStack) -> None:
    """Root writes into no folder that the account of PostgreSQL or of PgBouncer owns or may write."""
    for account in ("postgres", "pgbouncer"):
        find = "find /etc /usr /opt /root /srv ! -type l -writable -print 2>/dev/null || true"
        found = _on(stack, "runuser", "-u", account, "--", "sh", "-c", find).splitlines()
        assert [path for path in found if not path.startswith("/srv/postgresql/15/main")] == [], account
        assert bool(found) == (account == "postgres")
        for secret in ("server.env", "spaces.env", "server.key"):
            assert _fails(stack, "runuser", "-u", account, "--", "cat", f"/etc/trellis/{secret}")
    assert _fails(stack, "ls", "/etc/trellis/ca.key")
    assert (
        _on(stack, "systemctl", "show", "-p", "Environment,EnvironmentFiles", "--value", "trellis-dump").strip() == ""
    )


def test_a_strict_client_accepts_the_certificates(stack: LocalStack) -> None:
    files = ("/etc/trellis/ca.crt", "/etc/trellis/server.crt")
    assert "server.crt: OK" in _on(stack, "openssl", "verify", "-x509_strict", "-CAfile", *files)
    context = ssl.create_default_context(cafile=str(stack.authority()))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for uri in (_direct(stack), _uri(stack)):
        host, port = str(urlsplit(uri).hostname), int(urlsplit(uri).port or 0)
        with socket.create_connection((host, port), timeout=30) as plain:
            plain.sendall(struct.pack("!II", 8, 80877103))
            assert plain.recv(1) == b"S"
            with context.wrap_socket(plain, server_hostname=host) as encrypted:
                assert encrypted.getpeercert()


def test_a_source_that_is_removed_has_no_way_in_left(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    def admitted(uri: str) -> bool:
        host, port = str(urlsplit(uri).hostname), int(urlsplit(uri).port or 0)
        with from_address("127.0.0.77", host, port) as mine:
            local = uri.replace(f"@{host}:{port}", f"@127.0.0.1:{mine}").replace("verify-full", "require")
            try:
                psycopg.connect(local, connect_timeout=10).close()
            except psycopg.OperationalError:
                return False
            return True

    both = (_direct(stack), _uri(stack))
    # The cloud's firewall lets nobody else through, so it is not the server that refuses.
    door = {"protocol": "tcp", "ports": "all", "sources": {"addresses": ["127.0.0.77"]}}
    asked = {"name": "door", "tags": ["server:freshtrack-db"], "inbound_rules": [door]}
    assert not any(map(admitted, both))
    door_id = stack.api("POST", "/v2/firewalls", asked)["firewall"]["id"]
    assert not any(map(admitted, both))
    admin.execute("INSERT INTO server.sources VALUES ('127.0.0.77/32')")
    wait_for(lambda: all(map(admitted, both)))
    admin.execute("DELETE FROM server.sources WHERE range = '127.0.0.77/32'")
    wait_for(lambda: not any(map(admitted, both)))
    stack.api("DELETE", f"/v2/firewalls/{door_id}")


def test_whoever_is_locked_out_changes_the_list_by_one_up(
    stack: LocalStack, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Whose address is not listed any more, and who cannot be listed by anybody else."""
    admin.execute("DELETE FROM server.sources WHERE range = '127.0.0.1/32'")
    wait_for(lambda: _refused(_direct(stack)) and _refused(_uri(stack)))
    control = _direct(stack).replace("/freshtrack?", "/defaultdb?")
    with pytest.raises(psycopg.OperationalError, match="requires a valid client certificate"):
        psycopg.connect(control, sslrootcert=str(stack.authority()), connect_timeout=10)
    # The password is not enough, and neither is a certificate of somebody else's.
    foreign = Authorities.first("freshtrack-db-authority", datetime.now(UTC)).client_certificate(
        "doadmin", datetime.now(UTC)
    )
    for name, text in zip(("crt", "key"), foreign, strict=True):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    shown: dict[str, Any] = {"sslcert": str(tmp_path / "crt"), "sslkey": str(tmp_path / "key")}
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(control, sslrootcert=str(stack.authority()), connect_timeout=10, **shown)

    stack.configure(trustedSources=["127.0.0.1", "198.51.100.9"])
    stack.up()
    (firewall,) = stack.api("GET", "/v2/firewalls")["firewalls"]
    assert "198.51.100.9" in str(firewall["inbound_rules"])
    assert not _refused(_direct(stack))
    assert not _refused(_uri(stack))
    stack.must("preview", "--expect-no-changes")


def test_the_firewall_knows_the_server_by_its_tag(stack: LocalStack) -> None:
    (firewall,) = stack.api("GET", "/v2/firewalls")["firewalls"]
    assert (firewall["tags"], firewall["droplet_ids"]) == (["server:freshtrack-db"], [])
    droplets = stack.api("GET", "/v2/droplets?tag_name=server:freshtrack-db")["droplets"]
    assert [droplet["name"] for droplet in droplets] == [CLUSTER]


def test_a_certificate_is_renewed_by_the_next_up(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    now = datetime.now(UTC)
    host, ports = str(urlsplit(_direct(stack)).hostname), (25060, 25061)

    def shown() -> list[x509.Certificate]:
        return [served(host, port, stack.authority()) for port in ports]

    first, _ = shown()
    assert timedelta(days=1094) < first.not_valid_after_utc - now < timedelta(days=1096)
    # Two years go by.
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert len(addresses) == 2
    old = _held(stack).server_certificate(first.public_key(), addresses, now - timedelta(days=730))
    assert _enter(stack, "tee", "/etc/trellis/server.crt", stdin=old).returncode == 0
    _on(stack, "systemctl", "reload", "postgresql@15-main", "pgbouncer")
    wait_for(lambda: shown() == [x509.load_pem_x509_certificate(old.encode())] * 2)
    state = json.loads(stack.stack.pulumi("stack", "export"))
    (contents,) = (made for made in state["deployment"]["resources"] if made["type"].endswith(":Contents"))
    assert datetime.fromisoformat(contents["outputs"]["renewal"]) > now + timedelta(days=300)
    contents["outputs"]["renewal"] = (now - timedelta(days=1)).isoformat()
    file = stack.workspace.folder / "import.json"
    file.write_text(json.dumps(state))
    stack.stack.pulumi("stack", "import", "--file", str(file))
    assert "freshtrack-db-contents" in stack.fails("preview", "--expect-no-changes")

    # Whoever is connected stays.
    before = admin.execute("SELECT pg_backend_pid()").fetchone()
    stack.up()
    new, same = shown()
    assert new == same
    assert new.not_valid_before_utc > now - timedelta(days=2)
    assert new.public_key() == first.public_key()
    assert admin.execute("SELECT pg_backend_pid()").fetchone() == before
    stack.must("preview", "--expect-no-changes")

    # A volume brings what another server was sent: it is for another key, and passed over.
    other = _held(stack).server_certificate(ec.generate_private_key(ec.SECP256R1()).public_key(), [host], now)
    admin.execute("UPDATE server.certificate SET certificate = %s", (other,))
    with pytest.raises(psycopg.errors.CheckViolation):
        admin.execute("UPDATE server.certificate SET certificate = '; touch /tmp/x'")
    _on(stack, "/usr/local/sbin/trellis-sync", "once")
    assert shown() == [new, new]


def test_what_was_moved_and_not_read_is_read_by_the_next_run(stack: LocalStack, admin: psycopg.Connection[Any]) -> None:
    """As after a kill between the two."""
    _on(stack, "sh", "-c", "echo /etc/pgbouncer/hba.conf > /run/trellis-sync.unfinished")
    wait_for(lambda: _state(admin, "synchronisation") == (True, "carried over: /etc/pgbouncer/hba.conf "))


def test_every_database_is_dumped_whatever_its_name_and_a_failure_is_seen(
    stack: LocalStack, admin: psycopg.Connection[Any]
) -> None:
    names = ("with space", "host=nowhere ../x", "two\nlines")
    for name in names:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    _on(stack, "systemctl", "start", "trellis-dump.service")
    ok, message = _state(admin, "dump")
    assert ok, message
    spaces = "set -a && . /etc/trellis/spaces.env && . /etc/trellis/server.env"
    listed = _on(stack, "bash", "-c", f"{spaces} && rclone lsf -R --files-only spaces:$DUMP_BUCKET")
    assert {line.partition("/")[2] for line in listed.splitlines()} == {
        "globals.sql",
        "defaultdb.dump",
        "freshtrack.dump",
        "with space.dump",
        "host=nowhere ..%2Fx.dump",
        "two%0Alines.dump",
    }
    # One that DROP DATABASE left half-way does not stop the others.
    _as_superuser(stack, "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'with space'")
    assert _fails(stack, "systemctl", "start", "trellis-dump.service")
    ok, message = _state(admin, "dump")
    assert (ok, message) == (False, "Of 5 databases these were not dumped: with space")
    assert message in _on(stack, "journalctl", "-u", "trellis-dump", "--no-pager")


def test_a_dump_is_restored_as_the_page_says(stack: LocalStack) -> None:
    page = (stack.root / "docs" / "self-hosted.md").read_text().partition("## Restore a dump")[2]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    # A database that cannot be dumped does not stop the others.
    _enter(stack, "systemctl", "start", "trellis-dump.service")
    _on(stack, "bash", "-euc", f"cd /root\n{block}")
    history = "SELECT version, checksum FROM flyway_schema_history ORDER BY installed_rank"
    with (
        stack.connect(_direct(stack)) as here,
        stack.connect(_direct(stack).replace("/freshtrack?", "/restored?")) as there,
    ):
        rows = there.execute(history).fetchall()
        assert rows == here.execute(history).fetchall()
        assert len(rows) > 0
        there.execute("SELECT count(*) FROM sites")


def test_a_running_droplet_stays_and_one_that_is_gone_is_built_with_what_is_told_today(stack: LocalStack) -> None:
    with stack.connect(_direct(stack)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    before = _droplet(stack)
    # The sources are in what cloud-init is told at the first boot.
    stack.configure(trustedSources=["127.0.0.1", "198.51.100.7"])
    stack.up()
    assert _droplet(stack) == before
    assert "198.51.100.7" not in _on(stack, "cat", "/etc/trellis/server.env")
    wait_for(lambda: "198.51.100.7/32" in _on(stack, "cat", "/etc/pgbouncer/hba.conf"))

    stack.api("DELETE", f"/v2/droplets/{before}")
    stack.must("refresh", "--yes", "--skip-preview")
    authority = stack.outputs()["ca_certificates"][CLUSTER]
    urn = re.search(r'"urn": ?"([^"]*:Authority::[^"]*)"', stack.state())
    assert urn
    stack.must("up", "--yes", "--skip-preview", "--replace", urn[1])
    assert stack.outputs()["ca_certificates"][CLUSTER] != authority
    assert _droplet(stack) != before
    assert "198.51.100.7/32" in _on(stack, "cat", "/etc/trellis/server.env")
    with stack.connect(_direct(stack)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    with _pooled(stack, "app-pool") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    stack.must("preview", "--expect-no-changes")


def test_a_server_of_before_goes_on_and_its_tables_are_made_anew_at_its_next_boot_with_these_programs(
    stack: LocalStack,
) -> None:
    _as_superuser(stack, BEFORE)
    stack.configure(trustedSources=["127.0.0.1"])
    stack.up()
    uri = _direct(stack).replace("/freshtrack?", "/defaultdb?")
    with stack.connect(uri) as connection:
        sources = connection.execute("SELECT range::text FROM server.sources ORDER BY range").fetchall()
        assert sources == [("10.4.0.0/16",), ("127.0.0.1/32",)]
        assert connection.execute("SELECT name, database FROM server.pools").fetchall() == [("app-pool", "freshtrack")]
    _on(stack, "systemctl", "restart", "trellis-prepare.service")
    with stack.connect(uri) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'server'").fetchall()
        assert owners == [("postgres",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
        with pytest.raises(psycopg.errors.CheckViolation):
            _pool(connection, "x", "postgres user=postgres", "session")


def test_a_volume_that_cannot_grow_in_use_is_told_and_grows_at_the_next_boot(stack: LocalStack) -> None:
    control = _direct(stack).replace("/freshtrack?", "/defaultdb?")

    def told() -> tuple[bool | None, str]:
        # Not while it boots.
        with contextlib.suppress(psycopg.OperationalError), stack.connect(control) as admin:
            return _state(admin, "storage")
        return None, ""

    def size() -> int:
        return int(_on(stack, "findmnt", "-bno", "SIZE", "/srv/postgresql"))

    _on(stack, "systemctl", "restart", "trellis-sync")
    wait_for(lambda: told() == (True, "The file system fills the volume of 10 GiB."))
    (volume,) = stack.api("GET", "/v2/volumes")["volumes"]
    _on(stack, "mv", "/usr/sbin/resize2fs", "/usr/sbin/resize2fs.away")
    stack.api("POST", f"/v2/volumes/{volume['id']}/actions", {"type": "resize", "size_gigabytes": 12})
    wait_for(lambda: told()[0] is False)
    assert "does not fill the volume of 12 GiB" in told()[1]
    findings = [what for name, what in _findings(stack.trellis("status", "--json")) if name == "server"]
    assert len(findings) == 1
    assert "does not fill the volume of 12 GiB" in findings[0]
    assert size() < 10 << 30
    _on(stack, "mv", "/usr/sbin/resize2fs.away", "/usr/sbin/resize2fs")
    for action, status in (("shutdown", "off"), ("power_on", "active")):
        path = f"/v2/droplets/{_droplet(stack)}"
        acted = stack.api("POST", f"{path}/actions", {"type": action})["action"]
        wait_for(lambda: stack.api("GET", f"/v2/actions/{acted['id']}")["action"]["status"] == "completed")  # noqa: B023
        assert stack.api("GET", path)["droplet"]["status"] == status
    wait_for(lambda: told() == (True, "The file system fills the volume of 12 GiB."))
    assert size() > 11 << 30


def test_the_dumps_of_a_stack_that_is_no_development_one_outlive_it(stack: LocalStack) -> None:
    stack.configure(environment="production", contacts={"on-call": ["ops@trellis.dev"]})
    stack.up()
    stack.must("destroy", "--yes", "--skip-preview")
    for path in ("droplets", "volumes", "firewalls"):
        assert not stack.api("GET", f"/v2/{path}").get(path)
    assert str(stack.api("GET", "/v2/projects/default/resources")).count("do:space:freshtrack-db-dumps-") == 1


def _held(stack: LocalStack) -> Authorities:
    """The authorities in the stack's state."""
    state = json.loads(stack.stack.pulumi("stack", "export", "--show-secrets"))["deployment"]
    (made,) = (made["outputs"] for made in state["resources"] if made["type"].endswith(":Authority"))
    return Authorities(made["certificate"], json.loads(made["key"]["plaintext"]))


def _refused(uri: str) -> bool:
    try:
        psycopg.connect(uri.replace("verify-full", "require"), connect_timeout=10, sslrootcert="").close()
    except psycopg.OperationalError:
        return True
    return False


def _droplet(stack: LocalStack) -> int:
    droplets = stack.api("GET", "/v2/droplets")["droplets"]
    return int(next(droplet["id"] for droplet in droplets if droplet["name"] == CLUSTER))


def _state(admin: psycopg.Connection[Any], name: str) -> tuple[bool | None, str]:
    row = admin.execute("SELECT ok, message FROM server.state WHERE name = %s", (name,)).fetchone()
    return (bool(row[0]), str(row[1])) if row else (None, "")


def _pool(admin: psycopg.Connection[Any], name: str, database: str, mode: str) -> None:
    admin.execute(
        "INSERT INTO server.pools (name, database, login, mode, size) VALUES (%s, %s, %s, %s, 1)",
        (name, database, LOGIN, mode),
    )


def _direct(stack: LocalStack) -> str:
    return str(stack.outputs()["direct_uris"][CLUSTER]["freshtrack"])


def _uri(stack: LocalStack) -> str:
    return str(stack.outputs()["pooled_uris"][CLUSTER]["app-pool"])


def _pooled(
    stack: LocalStack, pool: str, user: str | None = None, password: str | None = None
) -> psycopg.Connection[Any]:
    uri = _uri(stack).replace("/app-pool?", f"/{pool}?")
    if user:
        uri = uri.replace(urlsplit(uri).netloc.rpartition("@")[0], f"{user}:{password}")
    return psycopg.connect(uri, sslrootcert=str(stack.authority()), connect_timeout=10, prepare_threshold=None)


def _as_superuser(stack: LocalStack, text: str) -> None:
    done = _enter(
        stack,
        "runuser",
        "-u",
        "postgres",
        "--",
        "psql",
        "-Xqp",
        "25060",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        "defaultdb",
        stdin=text,
    )
    assert done.returncode == 0, done.stderr


def _on(stack: LocalStack, *command: str) -> str:
    done = _enter(stack, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _fails(stack: LocalStack, *command: str) -> bool:
    return _enter(stack, *command).returncode != 0


def _enter(stack: LocalStack, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    enter = [str(stack.workspace.python), "-m", "localcloud", "enter", CLUSTER, *command]
    return subprocess.run(
        enter, cwd=stack.root, env=stack.stack.environment, input=stdin, capture_output=True, text=True, check=False
    )
