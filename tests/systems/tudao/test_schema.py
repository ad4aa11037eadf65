"""What the migrations make, and which values they take."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from tests.systems.tudao.conftest import APP, FOLDER, Tudao
from trellis.migrator import discover

INDEXES = {
    "pkey": "(id)",
    "license_id_idx": "(license_id)",
    "wallet_idx": "(wallet)",
    "tier_idx": "(tier)",
    "status_idx": "(status)",
    "created_at_idx": "(created_at)",
    "wallet_status_idx": "(wallet, status)",
}
VALID = {
    "license_id": "NODE-00001",
    "wallet": "0x" + "1" * 40,
    "tier": "standard",
    "status": "active",
    "payment_method": "card",
}


def insert(tudao: Tudao, values: dict[str, Any]) -> tuple[Any, ...]:
    names = ", ".join(values)
    marks = ", ".join("%s" for _ in values)
    with tudao.connect(APP) as connection:
        row = connection.execute(
            f"INSERT INTO buyers ({names}) VALUES ({marks}) RETURNING id, refunded_at".encode(), list(values.values())
        ).fetchone()
    assert row
    return tuple(row)


def test_every_file_is_applied_and_a_second_run_changes_nothing(tudao: Tudao) -> None:
    assert [(done.version, done.script) for done in tudao.report.applied] == [
        ("1.0.0", "V1.0.0__Closed_by_default.sql"),
        ("1.0.1", "V1.0.1__Buyers.sql"),
        ("1.0.2", "V1.0.2__Buyers_archive.sql"),
        ("1.0.3", "V1.0.3__Refunds_are_final.sql"),
        ("1.0.4", "V1.0.4__Retention.sql"),
        (None, "R__Archive_buyers.sql"),
        (None, "R__Expire_pending_wires.sql"),
        (None, "R__Grants.sql"),
        (None, "R__Purge_refunds.sql"),
        (None, "R__Slow_queries.sql"),
        (None, "R__Unminted_buyers.sql"),
    ]
    assert all(file.description and "_" not in file.description for file in discover(FOLDER))
    before = tudao.database.snapshot()
    assert tudao.migrate().applied == ()
    assert tudao.database.snapshot() == before


@pytest.mark.parametrize("table", ["buyers", "buyers_archive"])
def test_a_table_has_the_seven_indexes(tudao_of_module: Tudao, table: str) -> None:
    found = tudao_of_module.rows(f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{table}'")
    assert dict(found) == {
        f"{table}_{name}": (
            f"CREATE {'UNIQUE ' if name in ('pkey', 'license_id_idx') else ''}INDEX {table}_{name}"
            f" ON public.{table} USING btree {columns}"
        )
        for name, columns in INDEXES.items()
    }


def test_the_archive_has_every_column_of_buyers(tudao_of_module: Tudao) -> None:
    query = (
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = '{}'::regclass AND attnum > 0 ORDER BY attnum"
    )
    buyers, archive = (tudao_of_module.rows(query.format(table)) for table in ("buyers", "buyers_archive"))
    assert archive[: len(buyers)] == buyers
    assert [name for name, *_ in archive[len(buyers) :]] == ["archived_at", "archive_run_id"]


@pytest.mark.parametrize(
    "values",
    [
        *({"status": status} for status in ("active", "refunded", "expired")),
        {"status": "pending_wire", "payment_method": "wire"},
        *({"tier": tier} for tier in ("standard", "premium", "founder")),
        {"tx_hash": "0x" + "a" * 64, "email": "a@b.example", "name": "Ada", "amount": "499.00", "currency": "USD"},
    ],
)
def test_a_buyer_of_each_kind_is_taken(tudao_of_module: Tudao, values: dict[str, Any]) -> None:
    _, refunded_at = insert(tudao_of_module, VALID | values | {"license_id": f"NODE-{uuid4()}"})
    assert (refunded_at is not None) == (values.get("status") == "refunded")


@pytest.mark.parametrize(
    ("values", "error", "name"),
    [
        ({"status": "deleted"}, errors.CheckViolation, "buyer_status_known"),
        ({"status": None}, errors.NotNullViolation, None),
        ({"tier": "platinum"}, errors.CheckViolation, "buyer_tier_known"),
        ({"tier": None}, errors.NotNullViolation, None),
        ({"license_id": ""}, errors.CheckViolation, "buyers_license_id_check"),
        ({"wallet": "0x12"}, errors.CheckViolation, "buyers_wallet_check"),
        ({"tx_hash": ""}, errors.CheckViolation, "buyers_tx_hash_check"),
        ({"payment_method": "cash"}, errors.CheckViolation, "buyers_payment_method_check"),
        ({"status": "pending_wire"}, errors.CheckViolation, "buyers_pending_is_wire"),
        ({"amount": 1}, errors.CheckViolation, "buyers_amount_has_currency"),
        ({"amount": -1, "currency": "USD"}, errors.CheckViolation, "buyers_amount_check"),
        ({"amount": 1, "currency": "dollars"}, errors.CheckViolation, "buyers_currency_check"),
        ({"refunded_at": "2026-01-01"}, errors.CheckViolation, "buyers_refund_has_time"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    tudao_of_module: Tudao, values: dict[str, Any], error: type[psycopg.Error], name: str | None
) -> None:
    with pytest.raises(error) as refused:
        insert(tudao_of_module, VALID | {"license_id": "NODE-wrong"} | values)
    assert refused.value.diag.constraint_name == name


def test_the_list_of_tiers_changes_as_documented(tudao: Tudao) -> None:
    page = (FOLDER.parents[2] / "docs" / "tudao.md").read_text()
    statements = next(block for block in page.split("```sql\n")[1:] if "ALTER DOMAIN" in block).partition("```")[0]
    insert(tudao, VALID)
    with tudao.connect() as connection:
        connection.execute(statements.encode())
    insert(tudao, VALID | {"license_id": "NODE-00002", "tier": "genesis"})
    with pytest.raises(errors.CheckViolation):
        insert(tudao, VALID | {"license_id": "NODE-00003", "tier": "platinum"})


def test_a_licence_is_given_once(tudao: Tudao) -> None:
    insert(tudao, VALID)
    with pytest.raises(errors.UniqueViolation) as refused:
        insert(tudao, VALID | {"wallet": "0x" + "2" * 40})
    assert refused.value.diag.constraint_name == "buyers_license_id_idx"


def test_updated_at_moves(tudao: Tudao) -> None:
    insert(tudao, VALID)
    tudao.rows(f"UPDATE buyers SET tx_hash = '0x{'b' * 64}'", APP)
    assert tudao.value("SELECT updated_at > created_at FROM buyers") is True


def test_the_view_shows_active_buyers_without_a_hash_oldest_first(tudao: Tudao) -> None:
    for number, values in enumerate(
        (
            {"created_at": "2026-02-01"},
            {"created_at": "2026-01-01"},
            {"tx_hash": "0x" + "a" * 64},
            {"status": "pending_wire", "payment_method": "wire"},
            {"status": "refunded"},
            {"status": "expired"},
        )
    ):
        insert(tudao, VALID | {"license_id": f"NODE-{number}"} | values)
    assert tudao.rows("SELECT license_id FROM unminted_buyers", APP) == [("NODE-1",), ("NODE-0",)]
    tudao.rows(f"UPDATE buyers SET tx_hash = '0x{'c' * 64}' WHERE license_id = 'NODE-1'", APP)
    assert tudao.rows("SELECT license_id FROM unminted_buyers", APP) == [("NODE-0",)]
