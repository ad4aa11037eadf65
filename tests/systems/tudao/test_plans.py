"""Which index each query of the application uses, with 50,000 buyers in the table."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.systems.tudao.conftest import ANALYTICS, APP, Tudao

ROWS = 50_000
# 20,000 wallets; nine buyers in ten are active; one licence in fifty is a founder's.
FILL = f"""
  INSERT INTO buyers (license_id, wallet, tier, status, payment_method, tx_hash, refunded_at, created_at)
  SELECT 'NODE-' || lpad(n::text, 5, '0'),
    '0x' || md5((n * 7919 % 20000)::text) || '00000000',
    CASE WHEN n % 50 = 0 THEN 'founder' WHEN n % 6 = 0 THEN 'premium' ELSE 'standard' END,
    CASE WHEN n % 100 = 3 THEN 'pending_wire' WHEN n % 25 = 1 THEN 'refunded' WHEN n % 20 = 2 THEN 'expired'
      ELSE 'active' END,
    CASE WHEN n % 100 = 3 THEN 'wire' ELSE 'card' END,
    CASE WHEN n % 100 <> 3 THEN '0x' || md5(n::text) || md5(n::text) END,
    CASE WHEN n % 25 = 1 THEN now() END,
    now() - interval '900 days' * (n::float / {ROWS})
  FROM generate_series(1, {ROWS}) AS n
"""
WALLET = "'0x' || md5('42') || '00000000'"
PATTERNS = [
    (f"SELECT * FROM buyers WHERE wallet = {WALLET}", "buyers_wallet_idx"),
    ("SELECT * FROM buyers WHERE license_id = 'NODE-00042'", "buyers_license_id_idx"),
    ("SELECT * FROM buyers WHERE id = '00000000-0000-0000-0000-000000000042'", "buyers_pkey"),
    ("SELECT * FROM buyers WHERE tier = 'founder'", "buyers_tier_idx"),
    ("SELECT * FROM buyers WHERE tier = 'premium'", "buyers_tier_idx"),
    # The cap of a tier, also of the one that most buyers have.
    ("SELECT count(*) FROM buyers WHERE tier = 'standard'", "buyers_tier_idx"),
    *(
        (f"SELECT * FROM buyers WHERE status = '{status}'", "buyers_status_idx")
        for status in ("pending_wire", "refunded", "expired")
    ),
    (f"SELECT * FROM buyers WHERE wallet = {WALLET} AND status = 'active'", "buyers_wallet_status_idx"),
    (f"SELECT * FROM buyers WHERE wallet = {WALLET} AND status = 'refunded'", "buyers_wallet_status_idx"),
    ("SELECT * FROM buyers ORDER BY created_at LIMIT 50", "buyers_created_at_idx"),
    ("SELECT * FROM buyers ORDER BY created_at DESC LIMIT 50", "buyers_created_at_idx"),
    ("SELECT * FROM buyers WHERE created_at >= now() - interval '7 days'", "buyers_created_at_idx"),
]


@pytest.fixture(scope="module")
def filled(tudao_of_module: Tudao) -> Tudao:
    """50,000 buyers, and the statistics of them."""
    # The triggers would take most of the time and change nothing here.
    tudao_of_module.database.run("SET session_replication_role = replica", FILL)
    tudao_of_module.rows("VACUUM ANALYZE buyers")
    return tudao_of_module


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(tudao: Tudao, query: str, user: str = APP) -> list[dict[str, Any]]:
    (plan,) = tudao.value(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", user)
    return list(nodes(plan["Plan"]))


@pytest.mark.parametrize(("query", "index"), PATTERNS, ids=[query.partition("buyers ")[2] for query, _ in PATTERNS])
def test_a_query_uses_its_index(filled: Tudao, query: str, index: str) -> None:
    plan = explain(filled, query)
    assert [node["Index Name"] for node in plan if "Index Name" in node] == [index]
    assert [node for node in plan if node["Node Type"] in ("Seq Scan", "Sort")] == []


def test_the_figures_above_are_those_of_the_table(filled: Tudao) -> None:
    assert filled.value("SELECT count(*) FROM buyers") == ROWS
    assert filled.value(f"SELECT count(*) FROM buyers WHERE wallet = {WALLET}") > 1
    shares = dict(filled.rows("SELECT status, count(*)::float / 50000 FROM buyers GROUP BY 1"))
    assert shares == pytest.approx({"active": 0.90, "refunded": 0.04, "expired": 0.05, "pending_wire": 0.01}, abs=0.01)


def test_the_archive_s_queries_use_its_indexes(filled: Tudao) -> None:
    filled.rows("INSERT INTO archive_runs (cutoff, batch_size) VALUES (now(), 1)")
    filled.rows(
        "INSERT INTO buyers_archive (id, license_id, wallet, tier, status, refunded_at, created_at, updated_at,"
        " archive_run_id) SELECT gen_random_uuid(), 'OLD-' || n, '0x' || md5((n % 4000)::text) || '00000000',"
        " 'standard', CASE WHEN n % 3 = 0 THEN 'refunded' ELSE 'expired' END, CASE WHEN n % 3 = 0 THEN now() END,"
        " now() - n * interval '1 minute', now(), 1 FROM generate_series(1, 10000) AS n"
    )
    filled.rows("VACUUM ANALYZE buyers_archive")
    for query, index in (
        ("WHERE license_id = 'OLD-42'", "buyers_archive_license_id_idx"),
        (f"WHERE wallet = {WALLET}", "buyers_archive_wallet_idx"),
        (f"WHERE wallet = {WALLET} AND status = 'refunded'", "buyers_archive_wallet_status_idx"),
        ("ORDER BY created_at LIMIT 50", "buyers_archive_created_at_idx"),
    ):
        plan = explain(filled, f"SELECT * FROM buyers_archive {query}", ANALYTICS)
        assert [node["Index Name"] for node in plan if "Index Name" in node] == [index]
