"""Users, sessions, identities and the security audit log."""

import psycopg
import pytest

from tests.systems.capsule.product import ADMIN, Service

SERVICE = "auth"
ARGON = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
BCRYPT = "$2b$12$" + "a" * 53


@pytest.fixture
def auth(in_one_transaction: Service) -> Service:
    """The database, which is as it was afterwards."""
    return in_one_transaction


def add_user(auth: Service, email: str = "Ada@example.org") -> str:
    """Adds a user and gives their id."""
    return str(auth.value("INSERT INTO users (email) VALUES (%s) RETURNING id", email))


def test_an_address_is_one_user_however_it_is_written(auth: Service) -> None:
    user = add_user(auth)
    auth.refused(psycopg.errors.UniqueViolation, "INSERT INTO users (email) VALUES ('ADA@EXAMPLE.ORG')")
    assert auth.run("SELECT id::text, email FROM users WHERE email = 'ada@example.org'") == [(user, "Ada@example.org")]


@pytest.mark.parametrize("stored", [ARGON, BCRYPT])
def test_a_password_is_kept_as_a_hash(auth: Service, stored: str) -> None:
    user = add_user(auth)
    auth.run("UPDATE users SET password_hash = %s WHERE id = %s", stored, user)


@pytest.mark.parametrize("stored", ["secret", "", "5f4dcc3b5aa765d61d8327deb882cf99", "$2b$12$short"])
def test_what_is_no_such_hash_is_refused(auth: Service, stored: str) -> None:
    add_user(auth)
    auth.refused(psycopg.errors.CheckViolation, f"UPDATE users SET password_hash = '{stored}'")


def test_updated_at_follows_a_change(auth: Service) -> None:
    old = "now() - interval '1 day'"
    auth.run(f"INSERT INTO users (email, created_at, updated_at) VALUES ('ada@example.org', {old}, {old})")
    auth.run("UPDATE users SET display_name = 'Ada'")
    assert auth.run("SELECT updated_at = now(), created_at < now() FROM users") == [(True, True)]


def test_a_session_is_found_by_the_hash_of_its_token(auth: Service) -> None:
    user = add_user(auth)
    add = "INSERT INTO sessions (user_id, token_hash, expires_at) VALUES (%s, sha256('token'), now() + interval '1 h')"
    auth.run(add, user)
    assert auth.run("SELECT user_id::text FROM sessions WHERE token_hash = sha256('token')") == [(user,)]
    with pytest.raises(psycopg.errors.UniqueViolation):
        auth.run(add, user)
    auth.refused(
        psycopg.errors.CheckViolation,
        "UPDATE sessions SET token_hash = 'token'",
        "UPDATE sessions SET expires_at = created_at",
    )


def test_an_identity_belongs_to_one_person_and_one_a_provider(auth: Service) -> None:
    ada, bea = add_user(auth), add_user(auth, "bea@example.org")
    add = "INSERT INTO oauth_identities (user_id, provider, subject) VALUES ('{}', 'github', '{}')"
    auth.run(add.format(ada, "1"))
    auth.refused(psycopg.errors.UniqueViolation, add.format(bea, "1"), add.format(ada, "2"))
    auth.run(add.format(bea, "2"))


def test_who_is_deleted_leaves_nothing_but_the_log(auth: Service) -> None:
    user = add_user(auth)
    for statement in (
        "INSERT INTO user_roles (user_id, role) VALUES (%s, 'admin')",
        "INSERT INTO sessions (user_id, token_hash, expires_at)"
        " VALUES (%s, sha256('token'), now() + interval '1 hour')",
        "INSERT INTO oauth_identities (user_id, provider, subject) VALUES (%s, 'github', '1')",
        "INSERT INTO security_audit_log (user_id, event, outcome) VALUES (%s, 'user.closed', 'success')",
        "DELETE FROM users WHERE id = %s",
    ):
        auth.run(statement, user)
    counts = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {})"
    assert auth.run(counts.format("user_roles", "sessions", "oauth_identities")) == [(0, 0, 0)]
    assert auth.run("SELECT user_id::text, event FROM security_audit_log") == [(user, "user.closed")]


def test_the_security_audit_log_only_grows(auth: Service) -> None:
    auth.run("INSERT INTO security_audit_log (event, outcome) VALUES ('sign_in', 'failure')")
    changes = ("UPDATE security_audit_log SET outcome = 'success'", "DELETE FROM security_audit_log")
    auth.refused(psycopg.errors.InsufficientPrivilege, *changes, "TRUNCATE security_audit_log")
    auth.refused(psycopg.errors.RestrictViolation, *changes, "TRUNCATE security_audit_log", user=ADMIN)
    assert auth.run("SELECT event, outcome FROM security_audit_log") == [("sign_in", "failure")]


def test_queries_use_their_indexes(auth: Service) -> None:
    for statement in (
        "INSERT INTO users (id, email) SELECT md5(n::text)::uuid, n || '@example.org' FROM generate_series(1, 20000) n",
        "INSERT INTO sessions (user_id, token_hash, expires_at)"
        " SELECT md5((n % 20000 + 1)::text)::uuid, sha256(n::text::bytea), now() + n * interval '1 minute'"
        " FROM generate_series(1, 20000) n",
        "INSERT INTO oauth_identities (user_id, provider, subject)"
        " SELECT md5(n::text)::uuid, 'github', n FROM generate_series(1, 20000) n",
        "INSERT INTO security_audit_log (user_id, event, outcome, ip_address, created_at)"
        " SELECT md5((n % 20000 + 1)::text)::uuid, 'event' || n % 50,"
        " CASE WHEN n % 20 = 0 THEN 'failure' ELSE 'success' END,"
        " '10.0.0.0'::inet + n % 5000, now() - n * interval '1 minute' FROM generate_series(1, 20000) n",
    ):
        auth.run(statement)
    auth.admin("ANALYZE")
    user = "md5('7')::uuid"
    for query, index in (
        ("SELECT * FROM users WHERE email = '7@EXAMPLE.org'", "users_email_key"),
        ("SELECT * FROM sessions WHERE token_hash = sha256('7')", "sessions_token_hash_key"),
        (f"SELECT * FROM sessions WHERE user_id = {user} AND expires_at > now()", "sessions_user_id_idx"),
        ("DELETE FROM sessions WHERE expires_at < now() + interval '1 hour'", "sessions_expires_at_idx"),
        (
            "SELECT * FROM oauth_identities WHERE provider = 'github' AND subject = '7'",
            "oauth_identities_provider_subject_key",
        ),
        (
            f"SELECT * FROM security_audit_log WHERE user_id = {user} ORDER BY created_at DESC LIMIT 20",
            "security_audit_log_user_id_idx",
        ),
        (
            "SELECT count(*) FROM security_audit_log WHERE event = 'event7' AND created_at > now() - interval '1 day'",
            "security_audit_log_event_idx",
        ),
        (
            "SELECT count(*) FROM security_audit_log"
            " WHERE ip_address = '10.0.0.20' AND outcome = 'failure' AND created_at > now() - interval '1 day'",
            "security_audit_log_failures_idx",
        ),
    ):
        assert auth.indexes(query) == {index}, query
