"""Complete programs, previewed by the real engine with the pack: one that keeps all policies, one that breaks each."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from policies.pack import POSTPONED, RULES
from tests.policies.engine import STACKS, Previewed, Previews
from tests.stacks.harness import open_folder
from tools.bring import bring

MANDATORY = sorted(rule.name for rule in RULES if rule.mandatory)


@pytest.fixture(scope="module")
def previews() -> Iterator[dict[str, "Future[Previewed]"]]:
    """Every program, two at a time."""
    with open_folder() as folder, ThreadPoolExecutor(2) as workers:
        engine = Previews(folder, bring())
        programs = ["keeps_all", *(_program(name) for name in MANDATORY)]
        yield {program: workers.submit(engine.preview, program) for program in programs}


def _program(policy: str) -> str:
    return policy.replace("-", "_")


def test_a_program_that_keeps_all(previews: dict[str, "Future[Previewed]"]) -> None:
    done = previews["keeps_all"].result()
    assert done.code == 0, done.text
    # The host of the pool is not known before `up`, and the preview says so.
    assert [finding["policyName"] for finding in done.findings] == [POSTPONED]
    assert "spec.services[0].envs[0].value" in done.findings[0]["message"]


@pytest.mark.parametrize("policy", MANDATORY)
def test_a_program_that_breaks_one(policy: str, previews: dict[str, "Future[Previewed]"]) -> None:
    done = previews[_program(policy)].result()
    assert done.code != 0, done.text
    assert done.broken() == {policy}, done.text
    rule = next(rule for rule in RULES if rule.name == policy)
    (message, *_) = [finding["message"] for finding in done.findings if finding["policyName"] == policy]
    assert rule.protects in message
    assert rule.fix in message
    assert rule.source in message


def test_every_program_is_run() -> None:
    programs = {path.stem for path in STACKS.glob("*.py")} - {
        "__init__",
        "__main__",
        "shop",
        "keeps_all",
        "learns_late",
    }
    assert programs == {_program(name) for name in MANDATORY}
