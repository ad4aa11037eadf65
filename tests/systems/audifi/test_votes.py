"""Votes in V Studio: counted once, changeable while a decision is open, every one on record."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.audifi.market import ADA, BEA, CLOSED, OPEN, open_market, vote
from tests.systems.audifi.product import AudiFi

STATE = "SELECT choice, changes FROM vstudio_votes ORDER BY user_id"


def test_a_vote_counts_once_and_can_be_changed(audifi: AudiFi) -> None:
    open_market(audifi)
    assert vote(audifi, 1, OPEN, ADA, 1)
    assert not vote(audifi, 1, OPEN, ADA, 1)
    assert vote(audifi, 2, OPEN, BEA, 1)
    assert vote(audifi, 3, OPEN, ADA, 2)
    assert audifi.admin(STATE) == [(2, 1), (1, 0)]
    assert audifi.admin("SELECT count(*) FROM vstudio_vote_events") == [(3,)]


def test_a_message_sent_by_many_at_once_counts_once(copied: AudiFi) -> None:
    open_market(copied)
    with ThreadPoolExecutor(4) as pool:
        counted = list(pool.map(lambda _: vote(copied, 1, OPEN, ADA, 1), range(8)))
    assert sorted(counted) == [False] * 7 + [True]
    assert copied.admin(STATE) == [(1, 0)]


def test_a_message_sent_again_after_the_decision_has_closed_is_no_error(audifi: AudiFi) -> None:
    open_market(audifi)
    vote(audifi, 1, OPEN, ADA, 1)
    audifi.admin("UPDATE vstudio_decisions SET closes_at = opens_at + interval '1 minute'")
    assert not vote(audifi, 1, OPEN, ADA, 1)
    with pytest.raises(psycopg.errors.CheckViolation, match="is not open"):
        vote(audifi, 2, OPEN, ADA, 2)


def test_what_is_no_vote_is_refused(audifi: AudiFi) -> None:
    open_market(audifi)
    for decision, choice in ((CLOSED, 1), (OPEN, 0), (OPEN, 3), (ADA, 1)):
        with pytest.raises(psycopg.errors.CheckViolation, match="not open or has no option"):
            vote(audifi, 1, decision, ADA, choice)
    assert vote(audifi, 1, OPEN, ADA, 1)
    with pytest.raises(psycopg.errors.UniqueViolation, match="other contents"):
        vote(audifi, 1, OPEN, ADA, 2)
    assert audifi.admin(STATE) == [(1, 0)]
