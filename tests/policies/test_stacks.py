"""Complete programs, previewed by the real engine with the pack: one that keeps all policies, others that break one.

Every policy is broken in test_policies.py, without the engine. Here stand those that look at more than one resource's
inputs (order, options, the stack as a whole), and one or two of each theme.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from policies.pack import POSTPONED, RULES
from tests.policies.engine import STACKS, Previewed, Previews
from tests.stacks.harness import open_folder
from trellis.development.bring import bring

MANDATORY = {rule.name for rule in RULES if rule.mandatory}
# Programs that are no policy's: the parts all share, and those of other tests.
_OTHERS = {"__init__", "__main__", "shop", "keeps_all", "learns_late", "goes_around"}
BROKEN = sorted(path.stem.replace("_", "-") for path in STACKS.glob("*.py") if path.stem not in _OTHERS)


@pytest.fixture(scope="module")
def previews() -> Iterator[dict[str, "Future[Previewed]"]]:
    """Every program, two at a time."""
    with open_folder() as folder, ThreadPoolExecutor(2) as workers:
        engine = Previews(folder, bring())
        programs = ["keeps_all", "goes_around", *(_program(name) for name in BROKEN)]
        yield {program: workers.submit(engine.preview, program) for program in programs}
        # An interrupted run waits for no program that has not begun.
        workers.shutdown(cancel_futures=True)


def _program(policy: str) -> str:
    return policy.replace("-", "_")


def test_a_program_that_keeps_all(previews: dict[str, "Future[Previewed]"]) -> None:
    done = previews["keeps_all"].result()
    assert done.code == 0, done.text
    # The host of the pool is not known before `up`, and the preview says so.
    assert [finding["policyName"] for finding in done.findings] == [POSTPONED]
    assert "spec.services[0].envs[0].value" in done.findings[0]["message"]


def test_ways_around(previews: dict[str, "Future[Previewed]"]) -> None:
    done = previews["goes_around"].result()
    assert done.broken() == {
        "app-not-administrator",
        "app-private-pool",
        "app-secret-type",
        "app-verifies-server",
        "backups-expire",
        "changes-not-ignored",
        "data-protected",
        "droplet-behind-firewall",
        "droplet-database-ports",
        "no-plain-password",
        "public-range-has-reason",
        "spaces-key-narrow",
        "trusted-source-range",
    }, done.text


@pytest.mark.parametrize("policy", BROKEN)
def test_a_program_that_breaks_one(policy: str, previews: dict[str, "Future[Previewed]"]) -> None:
    done = previews[_program(policy)].result()
    assert done.code != 0, done.text
    assert done.broken() == {policy}, done.text
    rule = next(rule for rule in RULES if rule.name == policy)
    (message, *_) = [finding["message"] for finding in done.findings if finding["policyName"] == policy]
    assert rule.protects in message
    assert rule.fix in message
    assert rule.source in message


def test_every_program_is_named_like_the_policy_it_breaks() -> None:
    assert len(BROKEN) >= 15
    assert set(BROKEN) <= MANDATORY
