"""Every change of a row that tells of a person or of money leaves a note, and nobody who changes rows can avoid it."""

import pytest

from tests.systems.audifi.product import ADMIN, ALICE, APP, INDEXER, AudiFi

NOTES = "SELECT table_name, change, row_key, columns, login FROM row_changes ORDER BY created_at"


def test_who_changed_what(audifi: AudiFi) -> None:
    ((user,),) = audifi.run(APP, "INSERT INTO users (display_name) VALUES ('Ada') RETURNING id::text")
    audifi.run(APP, "INSERT INTO user_roles (user_id, role) VALUES (%s, 'fan')", user)
    audifi.run(APP, "UPDATE users SET email = 'ada@example.org' WHERE id = %s", user)
    audifi.admin("UPDATE users SET status = 'suspended'")
    audifi.run(APP, "DELETE FROM users WHERE id = %s", user)
    key = {"id": user}
    notes = audifi.admin(NOTES)
    role = {"user_id": user, "role": "fan"}
    assert notes[:4] == [
        ("users", "insert", key, None, APP),
        ("user_roles", "insert", role, None, APP),
        ("users", "update", key, ["email"], APP),
        ("users", "update", key, ["status"], ADMIN),
    ]
    # What a deletion takes along is the same person's deed.
    assert sorted(note[:3] for note in notes[4:]) == [("user_roles", "delete", role), ("users", "delete", key)]
    assert {note[4] for note in notes[4:]} == {APP}


def test_no_value_is_kept(audifi: AudiFi) -> None:
    audifi.run(APP, "INSERT INTO users (display_name, email) VALUES ('Ada', 'ada@example.org')")
    audifi.run(APP, "UPDATE users SET email = 'lovelace@example.org'")
    ((kept,),) = audifi.admin("SELECT string_agg(to_jsonb(c)::text, '') FROM row_changes c")
    assert "Ada" not in kept
    assert "@example.org" not in kept


def test_what_changes_nothing_is_no_change(audifi: AudiFi) -> None:
    ((user,),) = audifi.run(APP, "INSERT INTO users (display_name) VALUES ('Ada') RETURNING id")
    audifi.run(APP, "INSERT INTO user_wallets (address, user_id) VALUES (%s, %s)", ALICE, user)
    before = len(audifi.admin(NOTES))
    audifi.run(APP, "UPDATE user_wallets SET is_primary = false")
    assert len(audifi.admin(NOTES)) == before


def test_a_truncate_is_one(audifi: AudiFi) -> None:
    audifi.admin("TRUNCATE user_roles")
    assert audifi.admin(NOTES) == [("user_roles", "truncate", None, None, ADMIN)]


def test_every_table_of_people_and_money_has_it(migrated: AudiFi) -> None:
    noted = migrated.admin("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'note_row_change' ORDER BY 1")
    expected = ["accounts", "dividend_payouts", "payments", "subscriptions", "user_roles", "user_wallets", "users"]
    assert [name for (name,) in noted] == expected


@pytest.mark.parametrize("role", [APP, INDEXER])
def test_nobody_writes_a_note_of_his_own(migrated: AudiFi, role: str) -> None:
    rights = "SELECT has_table_privilege(%s, 'row_changes', 'SELECT, INSERT, UPDATE, DELETE')"
    assert migrated.admin(rights, role) == [(False,)]
