"""A small market: two artists, a master, an IPO, an NFT, revenue and a V Studio session."""

from tests.systems.audifi.product import ALICE, APP, BOB, CONTRACT, NOBODY, TOKEN, AudiFi, hashed, transfer

ADA, BEA = (f"00000000-0000-0000-0000-0000000000{number}" for number in ("a1", "b1"))
MASTER, IPO, SESSION, OPEN, CLOSED = (f"00000000-0000-0000-0000-0000000000{number}" for number in range(11, 16))
VOTE = "10000000-0000-0000-0000-0000000000{:02}"


def open_market(audifi: AudiFi) -> None:
    """Fills the tables as the application and the indexer would."""
    with audifi.session(APP) as app:
        for statement in (
            f"INSERT INTO users (id, display_name) VALUES ('{ADA}', 'Ada'), ('{BEA}', 'Bea')",
            f"INSERT INTO artists (id, user_id, slug, stage_name)"
            f" VALUES ('{ADA}', '{ADA}', 'ada', 'Ada'), ('{BEA}', '{BEA}', 'bea', 'Bea')",
            f"INSERT INTO masters (id, artist_id, title, status) VALUES ('{MASTER}', '{ADA}', 'First', 'published')",
            f"INSERT INTO contracts (id, chain_id, address, kind)"
            f" VALUES ('{MASTER}', 8453, '{CONTRACT}', 'master_nft')",
            f"INSERT INTO master_nfts (master_id, contract_id, token_id) VALUES ('{MASTER}', '{MASTER}', 7)",
            f"INSERT INTO master_ipos (id, master_id, status, units_offered, unit_price, payment_token, revenue_share,"
            f" opens_at, closes_at)"
            f" VALUES ('{IPO}', '{MASTER}', 'open', 3, 5, '{TOKEN}', 2000, now(), now() + interval '1 day')",
            f"INSERT INTO ipo_purchases (ipo_id, buyer, units, paid, chain_id, tx_hash, log_index, purchased_at)"
            f" VALUES ('{IPO}', '{ALICE}', 1, 5, 8453, '{hashed(91)}', 0, now()),"
            f" ('{IPO}', '{BOB}', 1, 5, 8453, '{hashed(92)}', 0, now())",
            f"INSERT INTO revenue_events (master_id, source, reference, token, amount, earned_from, earned_until)"
            f" VALUES ('{MASTER}', 'streaming', 'r1', '{TOKEN}', {'9' * 78}, '2024-01-01', '2024-01-31'),"
            f" ('{MASTER}', 'streaming', 'r2', '{TOKEN}', 1, '2024-02-01', '2024-02-29')",
            f"INSERT INTO vstudio_sessions (id, artist_id, title, status, starts_at)"
            f" VALUES ('{SESSION}', '{ADA}', 'Which chorus', 'live', now())",
            f"INSERT INTO vstudio_decisions (id, session_id, question, options, opens_at, closes_at)"
            f" VALUES ('{OPEN}', '{SESSION}', 'Which?', '{{one,two}}', now() - interval '1 h', now() + interval '1 h'),"
            f" ('{CLOSED}', '{SESSION}', 'Who?', '{{one,two}}', now() - interval '2 h', now() - interval '1 h')",
        ):
            app.execute(statement.encode())
    audifi.ingest("chain_nft_events", transfer(1, "2024-01-01T00:00:00Z", NOBODY, ALICE, event="mint"))


def vote(audifi: AudiFi, number: int, decision: str, voter: str, choice: int) -> bool:
    """Votes as the application; whether the vote counted."""
    found = audifi.run(
        APP, "SELECT counted FROM cast_vote(%s, %s, %s, %s)", VOTE.format(number), decision, voter, choice
    )
    assert isinstance(found[0][0], bool)
    return found[0][0]
