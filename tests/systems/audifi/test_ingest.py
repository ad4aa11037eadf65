"""Chain events: stored once whatever arrives twice, exact, and never changed."""

import random
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.audifi.product import (
    ADMIN,
    ALICE,
    BOB,
    INDEXER,
    NOBODY,
    AudiFi,
    deposit,
    event,
    hashed,
    ingest,
    transfer,
)

REVENUE = "chain_revenue_events"
WIDEST = "9" * 78
UINT256 = str(2**256 - 1)


def test_an_event_counts_once(audifi: AudiFi) -> None:
    batch = [deposit(1, "2024-01-31T23:59:59Z"), deposit(2, "2024-02-01T00:00:00Z")]
    assert audifi.ingest(REVENUE, *batch) == (2, 0)
    assert audifi.ingest(REVENUE, *batch, deposit(3, "2024-02-02T00:00:00Z")) == (1, 2)
    assert audifi.admin(f"SELECT count(*) FROM {REVENUE}") == [(3,)]
    assert audifi.admin("SELECT count(*) FROM chain_event_keys") == [(3,)]


def test_an_event_twice_in_one_batch_counts_once(audifi: AudiFi) -> None:
    assert audifi.ingest(REVENUE, deposit(1, "2024-01-01T00:00:00Z"), deposit(1, "2024-01-01T00:00:00Z")) == (1, 1)


def test_the_same_time_in_another_zone_and_another_node_s_log_are_the_same_event(audifi: AudiFi) -> None:
    assert audifi.ingest(REVENUE, deposit(1, "2024-01-31T23:30:00Z", log={"removed": False})) == (1, 0)
    with audifi.session(INDEXER) as elsewhere:
        elsewhere.execute("SET timezone = 'Asia/Tokyo'")
        assert ingest(elsewhere, REVENUE, [deposit(1, "2024-02-01T01:30:00+02:00")]) == (0, 1)


def test_another_event_under_the_same_key_refuses_its_batch(audifi: AudiFi) -> None:
    audifi.ingest(REVENUE, deposit(1, "2024-01-01T00:00:00Z"))
    for other in (
        deposit(1, "2024-02-01T00:00:00Z"),
        deposit(1, "2024-01-01T00:00:00Z", "2"),
        deposit(1, "2024-01-01T00:00:00Z", account=BOB),
    ):
        with pytest.raises(psycopg.errors.UniqueViolation, match=r"transaction 0x0*1, log 0 is already stored with"):
            audifi.ingest(REVENUE, deposit(2, "2024-01-02T00:00:00Z"), other)
    assert audifi.admin(f"SELECT tx_hash, amount, account FROM {REVENUE}") == [(hashed(1), 1, ALICE)]


def test_a_key_belongs_to_one_table(audifi: AudiFi) -> None:
    audifi.ingest(REVENUE, deposit(1, "2024-01-01T00:00:00Z"))
    with pytest.raises(psycopg.errors.UniqueViolation, match="already stored"):
        audifi.ingest("chain_nft_events", transfer(1, "2024-01-01T00:00:00Z", ALICE, BOB))
    assert audifi.admin("SELECT count(*) FROM chain_nft_events") == [(0,)]


def test_batches_at_once_with_the_same_events_across_months(copied: AudiFi) -> None:
    events = [deposit(number, f"2024-{number % 12 + 1:02}-15T12:00:00Z", str(number)) for number in range(1, 241)]
    copied.ingest(REVENUE, *events[:5])
    copied.run(INDEXER, "CALL make_partitions_ahead('2024-02-10')")

    def indexer(seed: int) -> int:
        mine = events * 2
        random.Random(seed).shuffle(mine)  # noqa: S311
        with copied.session(INDEXER) as connection:
            return sum(ingest(connection, REVENUE, mine[start : start + 60])[0] for start in range(0, len(mine), 60))

    with ThreadPoolExecutor(4) as indexers:
        stored = list(indexers.map(indexer, range(4)))
    assert sum(stored) == 235
    assert copied.admin(f"SELECT count(*), count(DISTINCT tx_hash), sum(amount) FROM {REVENUE}") == [
        (240, 240, sum(range(1, 241)))
    ]
    assert copied.admin("SELECT count(*) FROM chain_event_keys") == [(240,)]


def test_two_open_batches_wait_for_each_other(copied: AudiFi) -> None:
    first, second = deposit(1, "2024-01-01T00:00:00Z"), deposit(2, "2024-02-01T00:00:00Z")
    with copied.session(INDEXER) as one, copied.session(INDEXER) as other, ThreadPoolExecutor(1) as pool:
        other_pid = other.info.backend_pid
        with one.transaction():
            assert ingest(one, REVENUE, [first]) == (1, 0)
            waiting = pool.submit(ingest, other, REVENUE, [second, first])
            wait = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"
            while copied.admin(wait, other_pid) == [(0,)]:
                assert not waiting.done(), "the second batch did not wait"
        assert waiting.result() == (1, 1)


def test_a_batch_that_fails_leaves_no_key(audifi: AudiFi) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        audifi.ingest(REVENUE, deposit(1, "2024-01-01T00:00:00Z"), deposit(2, "2024-01-01T00:00:00Z", event="tip"))
    assert audifi.admin("SELECT count(*) FROM chain_event_keys") == [(0,)]
    assert audifi.ingest(REVENUE, deposit(1, "2024-01-01T00:00:00Z")) == (1, 0)


def test_amounts_are_exact(audifi: AudiFi) -> None:
    amounts = ["0", "1", UINT256, WIDEST]
    audifi.ingest(REVENUE, *(deposit(number, "2024-01-01", amount) for number, amount in enumerate(amounts)))
    assert audifi.admin(f"SELECT amount::text FROM {REVENUE} ORDER BY tx_hash") == [(amount,) for amount in amounts]
    assert audifi.admin(f"SELECT sum(amount)::text FROM {REVENUE}") == [(str(sum(map(int, amounts))),)]


@pytest.mark.parametrize("amount", ["-1", "0.5", "1e3", "NaN", "Infinity", "", " 1", "1" + "0" * 78])
def test_what_is_no_amount_is_refused(migrated: AudiFi, amount: str) -> None:
    with pytest.raises(psycopg.errors.NumericValueOutOfRange, match="a whole number of 1 to 78 digits"):
        migrated.ingest(REVENUE, deposit(1, "2024-01-01T00:00:00Z", amount))


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        ("-1", psycopg.errors.CheckViolation),
        ("'NaN'", psycopg.errors.CheckViolation),
        ("'Infinity'", psycopg.errors.NumericValueOutOfRange),
        ("1" + "0" * 78, psycopg.errors.NumericValueOutOfRange),
    ],
)
def test_the_domain_refuses_too(migrated: AudiFi, amount: str, error: type[psycopg.Error]) -> None:
    with pytest.raises(error):
        migrated.admin(f"SELECT ({amount})::token_amount")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tx_hash": hashed(0xAB).upper().replace("X", "x")},
        {"tx_hash": "0x1"},
        {"account": "0x" + "A" * 40},
        {"tx_hash": None},
        {"block_time": None},
        {"log_index": -1},
        {"amount": None},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused(migrated: AudiFi, wrong: dict[str, object]) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        migrated.ingest(REVENUE, {**deposit(1, "2024-01-01T00:00:00Z"), **wrong})


@pytest.mark.parametrize("table", ["audit_logs", "users", "chain_event_keys", "chain_%", "nothing"])
def test_only_tables_of_chain_events_are_written(migrated: AudiFi, table: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="Allowed: chain_nft_events"):
        migrated.ingest(table, event(1, "2024-01-01T00:00:00Z"))


@pytest.mark.parametrize("batch", ["{}", "null", "1"])
def test_a_batch_is_a_list(migrated: AudiFi, batch: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="JSON array"):
        migrated.run(INDEXER, "SELECT ingest_chain_events('chain_nft_events', %s)", batch)


def test_an_indexer_learns_where_to_go_on(audifi: AudiFi) -> None:
    assert audifi.run(INDEXER, "SELECT last_indexed_block(8453)") == [(None,)]
    audifi.ingest(REVENUE, deposit(5, "2024-01-01T00:00:00Z"))
    audifi.ingest("chain_nft_events", transfer(9, "2024-01-02T00:00:00Z", NOBODY, ALICE, event="mint"))
    assert audifi.run(INDEXER, "SELECT last_indexed_block(8453), last_indexed_block(1)") == [(9, None)]


def test_ownership_follows_the_chain_in_whatever_order_batches_come(audifi: AudiFi) -> None:
    mint = transfer(1, "2024-01-01T00:00:00Z", NOBODY, ALICE, event="mint")
    sold = transfer(2, "2024-02-01T00:00:00Z", ALICE, BOB)
    back = transfer(2, "2024-02-01T00:00:00Z", BOB, ALICE, log_index=1)
    nfts, owner = "chain_nft_events", "SELECT owner, block_number, log_index FROM nft_ownership"
    audifi.ingest(nfts, back)
    audifi.ingest(nfts, sold, mint)
    assert audifi.admin(owner) == [(ALICE, 2, 1)]
    burnt = transfer(3, "2024-03-01T00:00:00Z", ALICE, NOBODY, event="burn")
    audifi.ingest(nfts, burnt, sold)
    assert audifi.admin(owner) == [(None, 3, 0)]


@pytest.mark.parametrize(
    "table",
    [
        *("chain_nft_events", "chain_revenue_events", "chain_coin_events", "vstudio_vote_events"),
        *("audit_logs", "security_events", "chain_event_keys", "vstudio_vote_keys"),
    ],
)
def test_event_tables_are_append_only_even_for_their_owner(migrated: AudiFi, table: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only: TRUNCATE refused"):
        migrated.admin(f"TRUNCATE {table}")
    triggers = migrated.admin(
        "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE 'refuse%%' ORDER BY 1",
        table,
    )
    assert triggers == [("refuse_change", "O"), ("refuse_truncate", "O")]


def test_stored_events_cannot_be_changed_by_any_way(audifi: AudiFi) -> None:
    audifi.run(INDEXER, "CALL make_partitions_ahead('2024-02-10')")
    audifi.ingest(REVENUE, deposit(1, "2024-02-01T00:00:00Z"), deposit(2, "2031-01-01T00:00:00Z"))
    tables = (REVENUE, f"partitions.{REVENUE}_2024_02", f"partitions.{REVENUE}_default", "chain_event_keys")
    for table in tables:
        for change in (f"UPDATE {table} SET block_time = now()", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(psycopg.errors.RestrictViolation, match="is append-only"):
                audifi.run(ADMIN, change)
    assert audifi.admin(f"SELECT count(*) FROM {REVENUE}") == [(2,)]
