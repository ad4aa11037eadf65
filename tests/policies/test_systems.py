"""Every system of this repository keeps every policy, in each phase, from nothing and with default settings."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest

from tests.policies.engine import EXECUTABLE, NOWHERE
from tests.stacks.harness import Finished, local_stack
from tests.told import told
from tools import ROOT
from trellis.development.bring import bring
from trellis.settings.catalogue import Phase

SYSTEMS = sorted(path.stem for path in (ROOT / "systems").glob("*.yaml"))
WATCHED = {"webhook": "https://hooks.your-company.com/x"}
# What a stack may ask for beyond its phase.
BEYOND: dict[str, dict[str, Any]] = {
    "freshtrack": {"mode": "self-hosted", "monitoring": WATCHED},
    "audifi": {"monitoring": WATCHED, "caches": ["main"], "copyTo": {"region": "sfo3", "ipRange": "10.101.0.0/16"}},
}


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

        def start(name: str, **config: Any) -> "Future[Finished]":
            contacts = json.loads(told(config["system"])["trellis:contacts"])
            stack.configure(protect="phase", environment="production", contacts=contacts, **config)
            here, file = f"apiEndpoint: {stack.workspace.api}", folder / f"{name}.yaml"
            file.write_text(stack.config_file.read_text().replace(here, f"apiEndpoint: {NOWHERE}"))
            return workers.submit(stack.pulumi, "preview", "--config-file", str(file), *pack)

        started = {
            (system, phase): start(f"{system}-{phase}", system=system, phase=phase.value)
            for system, phase in product(SYSTEMS, Phase)
        }
        for system, config in BEYOND.items():
            started[f"{system} and more", Phase.SCALE] = start(f"{system}-more", system=system, phase="scale", **config)
            stack.configure(**dict.fromkeys(config))
        yield started


@pytest.mark.parametrize(
    ("system", "phase"), [*product(SYSTEMS, Phase), *((f"{system} and more", Phase.SCALE) for system in BEYOND)]
)
def test_a_system_keeps_every_policy(
    system: str, phase: Phase, previews: dict[tuple[str, Phase], "Future[Finished]"]
) -> None:
    done = previews[system, phase].result()
    assert done.code == 0, done.text
    assert "[mandatory]" not in done.text
    # The only advice is on values that `up` will know.
    assert done.text.count("[advisory]") == done.text.count("[advisory]  postponed-to-up")
