"""Every system of this repository keeps every policy, in each phase, from nothing and with default settings."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product

import pytest

from settings.catalogue import Phase
from tests.policies.engine import EXECUTABLE, NOWHERE
from tests.stacks.harness import Finished, local_stack
from tools.bring import bring
from tools.workspace import ROOT

SYSTEMS = sorted(path.stem for path in (ROOT / "systems").glob("*.yaml"))


@pytest.fixture(scope="module")
def previews() -> Iterator[dict[tuple[str, Phase], "Future[Finished]"]]:
    """Every system in every phase on one stack that nothing is deployed to, two at a time.

    A preview asks the local cloud for DNS zones. Nothing is spared for development: what must be protected in
    production must be here.
    """
    with local_stack(bring()) as stack, ThreadPoolExecutor(2) as workers:
        folder = stack.workspace.folder
        settings = folder / "settings.json"
        settings.write_text('{"stack": {"developmentStacks": []}}')
        pack = ("--policy-pack", str(EXECUTABLE), "--policy-pack-config", str(settings))
        started = {}
        for system, phase in product(SYSTEMS, Phase):
            stack.configure(system=system, phase=phase.value, protect="phase")
            here, config = f"apiEndpoint: {stack.workspace.api}", folder / f"{system}-{phase}.yaml"
            config.write_text(stack.config_file.read_text().replace(here, f"apiEndpoint: {NOWHERE}"))
            preview = ("preview", "--config-file", str(config), *pack)
            started[system, phase] = workers.submit(stack.pulumi, *preview)
        yield started


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_keeps_every_policy(
    system: str, phase: Phase, previews: dict[tuple[str, Phase], "Future[Finished]"]
) -> None:
    done = previews[system, phase].result()
    assert done.code == 0, done.text
    assert "[mandatory]" not in done.text
    # The only advice is on values that `up` will know.
    assert done.text.count("[advisory]") == done.text.count("[advisory]  postponed-to-up")
