"""Wires that never arrive, and refunds that must be kept for seven years."""

import pytest
from psycopg import errors

from tests.systems.tudao.conftest import APP, Tudao

AGE = "now() - interval '{}'"


def refund(tudao: Tudao, licence: str, age: str) -> None:
    """A buyer refunded so long ago."""
    tudao.add(1, "refunded", "9 years", licence, refunded_at=AGE.format(age))


def test_wires_pending_for_30_days_expire_once_and_are_noted(tudao: Tudao) -> None:
    tudao.add(2, "pending_wire", "30 days 1 minute", "late")
    tudao.add(2, "pending_wire", "30 days -1 minute", "soon")
    tudao.add(2, "active", "90 days", "paid")
    assert tudao.rows("CALL expire_pending_wires()") == [(2,)]
    assert tudao.rows("CALL expire_pending_wires()") == [(0,)]
    assert tudao.rows("SELECT license_id, status FROM buyers ORDER BY 1") == [
        *(("late-1", "expired"), ("late-2", "expired")),
        *(("paid-1", "active"), ("paid-2", "active")),
        *(("soon-1", "pending_wire"), ("soon-2", "pending_wire")),
    ]
    assert tudao.rows(
        "SELECT e.license_id, expired_by, pending_since = created_at, expired_at = updated_at"
        " FROM expired_wires e JOIN buyers b ON b.id = buyer_id ORDER BY 1"
    ) == [("late-1", "doadmin", True, True), ("late-2", "doadmin", True, True)]


def test_a_wire_that_is_being_activated_does_not_expire(tudao: Tudao) -> None:
    tudao.add(2, "pending_wire", "31 days")
    with tudao.connect(APP) as writer, writer.transaction():
        writer.execute("UPDATE buyers SET status = 'active' WHERE license_id = 'NODE-1'")
        assert tudao.rows("CALL expire_pending_wires()") == [(1,)]
    assert tudao.rows("CALL expire_pending_wires()") == [(0,)]
    assert tudao.rows("SELECT license_id, status FROM buyers ORDER BY 1") == [
        ("NODE-1", "active"),
        ("NODE-2", "expired"),
    ]


def test_a_wire_that_arrives_late_can_still_be_activated(tudao: Tudao) -> None:
    tudao.add(1, "pending_wire", "31 days")
    tudao.rows("CALL expire_pending_wires()")
    tudao.rows("UPDATE buyers SET status = 'active'", APP)
    assert tudao.rows("SELECT status FROM buyers") == [("active",)]


def test_a_refund_is_stamped_and_final(tudao: Tudao) -> None:
    tudao.add(1, "active", "1 year")
    tudao.rows(f"UPDATE buyers SET status = 'refunded', refunded_at = {AGE.format('8 years')}", APP)
    assert tudao.value("SELECT refunded_at = updated_at FROM buyers") is True
    for change in ("status = 'expired'", "status = 'active'", f"refunded_at = {AGE.format('8 years')}"):
        with pytest.raises(errors.RestrictViolation, match="a refund is final"):
            tudao.rows(f"UPDATE buyers SET {change}", APP)
    tudao.rows("UPDATE buyers SET email = NULL, name = NULL", APP)


@pytest.mark.parametrize("archived", [False, True])
def test_a_refund_cannot_be_deleted_before_seven_years(tudao: Tudao, archived: bool) -> None:
    refund(tudao, "young", "7 years -1 hour")
    refund(tudao, "old", "7 years 1 hour")
    table = "buyers"
    if archived:
        table = "buyers_archive"
        tudao.rows("CALL archive_buyers()")
    for statement in (f"DELETE FROM {table}", f"DELETE FROM {table} WHERE license_id = 'young-1'", f"TRUNCATE {table}"):
        with pytest.raises(errors.RestrictViolation, match="must be kept"):
            tudao.rows(statement)
    with pytest.raises(errors.RestrictViolation, match="a refund is final"):
        tudao.rows(f"UPDATE {table} SET refunded_at = {AGE.format('8 years')} WHERE license_id = 'young-1'")
    assert tudao.value(f"SELECT count(*) FROM {table}") == 2
    tudao.rows(f"DELETE FROM {table} WHERE license_id = 'old-1'")
    assert tudao.rows(f"SELECT license_id FROM {table}") == [("young-1",)]


def test_an_active_buyer_is_never_deleted(tudao: Tudao) -> None:
    tudao.add(1, "active", "50 years")
    for statement in ("DELETE FROM buyers", "TRUNCATE buyers"):
        with pytest.raises(errors.RestrictViolation, match="must be kept"):
            tudao.rows(statement)


def test_a_copy_of_another_licence_in_the_archive_does_not_set_a_refund_free(tudao: Tudao) -> None:
    refund(tudao, "archived", "1 day")
    tudao.rows("CALL archive_buyers()")
    refund(tudao, "other", "1 day")
    with pytest.raises(errors.RestrictViolation):
        tudao.rows("DELETE FROM buyers")


def test_the_purge_deletes_what_is_past_seven_years_and_notes_it(tudao: Tudao) -> None:
    refund(tudao, "archived-old", "7 years 1 hour")
    refund(tudao, "archived-young", "7 years -1 hour")
    tudao.add(1, "expired", "9 years", "archived-expired")
    tudao.rows("CALL archive_buyers()")
    refund(tudao, "old", "7 years 1 hour")
    refund(tudao, "young", "1 day")
    tudao.add(1, "active", "9 years", "active")
    assert tudao.rows("CALL purge_refunds()") == [(2,)]
    assert tudao.rows("CALL purge_refunds()") == [(0,)]
    left = tudao.rows("SELECT license_id FROM buyers UNION ALL SELECT license_id FROM buyers_archive ORDER BY 1")
    assert left == [("active-1",), ("archived-expired-1",), ("archived-young-1",), ("young-1",)]
    assert tudao.rows("SELECT license_id, purged_from, purged_by FROM purged_buyers ORDER BY 1") == [
        ("archived-old-1", "buyers_archive", "doadmin"),
        ("old-1", "buyers", "doadmin"),
    ]


def test_a_row_that_somebody_holds_is_purged_by_the_next_call(tudao: Tudao) -> None:
    refund(tudao, "old", "8 years")
    with tudao.connect(APP) as writer, writer.transaction():
        writer.execute("UPDATE buyers SET email = NULL")
        assert tudao.rows("CALL purge_refunds()") == [(0,)]
    assert tudao.rows("CALL purge_refunds()") == [(1,)]
