"""States that earlier programs left behind are gone on with: refreshed, previewed, upgraded and destroyed."""

import json
from typing import Any

import pytest

from tests.stacks.harness import LocalStack
from tests.states.checkpoint import Deployment, transplanted
from tests.states.layouts import brought_up, cases, deployment, load
from trellis.development.bring import bring
from trellis.providers.base import Provider
from trellis.providers.contents import ContentsProvider
from trellis.providers.files import FileProvider
from trellis.providers.migrations import MigrationsProvider
from trellis.providers.phase import PhaseProvider

# Type in the state -> the provider that an `up` brings to the version of today. An authority is left as it is.
UPGRADED: dict[str, type[Provider]] = {
    "pulumi-python:dynamic/phase:Phase": PhaseProvider,
    "pulumi-python:dynamic/migrations:Migrations": MigrationsProvider,
    "pulumi-python:dynamic/files:ConnectionFile": FileProvider,
    "pulumi-python:dynamic/server:Contents": ContentsProvider,
}
# What programs have had since.
ADDED = {"pulumi-python:dynamic/pool:PoolSize", "pulumi-python:dynamic/cluster:Configuration"}
CASES = cases()


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.droplets] if case.startswith("freshtrack") else []) for case in CASES],
)
def test_a_recorded_state_goes_on(case: str) -> None:
    with brought_up(bring(), case) as stack:
        live, before = _with_droplets_by_id(stack), len(stack.journal())
        *older, newest = (load(layout, case) for layout in CASES[case])
        for record in older:
            imported = _import(stack, transplanted(record, live, ADDED))
            stack.must("up", "--refresh", "--yes", "--skip-preview")
            assert _applied(stack, imported) == []
        imported = _import(stack, transplanted(newest, live, ADDED))
        stack.must("refresh", "--yes", "--skip-preview")
        assert _updates(stack) == _old_providers(newest)
        stack.must("up", "--yes", "--skip-preview")
        assert _applied(stack, imported) == []
        stack.must("preview", "--expect-no-changes")
        assert stack.changes(before) == []
        # The engine destroys with the providers that the state holds, not with those of the program.
        _import(stack, transplanted(newest, live, ADDED))
        stack.must("destroy", "--yes", "--skip-preview")
        assert not stack.api("GET", "/v2/databases").get("databases")
        assert not stack.api("GET", "/v2/droplets").get("droplets")


def _with_droplets_by_id(stack: LocalStack) -> Deployment:
    """The live state. Its firewall names its Droplet by id beside today's tag, as those of the recorded states do."""
    for firewall in stack.api("GET", "/v2/firewalls").get("firewalls") or ():
        tagged = stack.api("GET", f"/v2/droplets?tag_name={firewall['tags'][0]}")["droplets"]
        ids = {"droplet_ids": [droplet["id"] for droplet in tagged]}
        stack.api("POST", f"/v2/firewalls/{firewall['id']}/droplets", ids)
    stack.must("refresh", "--yes", "--skip-preview")
    live = deployment(stack)
    for resource in live["resources"]:
        if resource["type"] == "digitalocean:index/firewall:Firewall":
            resource["inputs"]["dropletIds"] = resource["outputs"]["dropletIds"]
    return live


def _import(stack: LocalStack, state: Deployment) -> Deployment:
    file = stack.workspace.folder / "import.json"
    file.write_text(json.dumps({"version": 3, "deployment": state}))
    stack.stack.pulumi("stack", "import", "--file", str(file))
    return state


def _updates(stack: LocalStack) -> set[str]:
    """What a preview updates. Nothing is replaced or deleted, and nothing made but what sets what is there already."""
    steps = json.loads(stack.must("preview", "--json"))["steps"]
    made = {step["newState"]["type"] for step in steps if step["op"] == "create"}
    assert made <= ADDED
    assert {step["op"] for step in steps} <= {"same", "update", "create"}, steps
    return {step["urn"] for step in steps if step["op"] == "update"}


def _old_providers(record: Deployment) -> set[str]:
    return {
        resource["urn"]
        for resource in record["resources"]
        if resource["type"] in UPGRADED
        and resource["outputs"].get("provider_version") != UPGRADED[resource["type"]].version
    }


def _applied(stack: LocalStack, before: Deployment) -> list[str]:
    """The migrations that ran since. What had nothing to do keeps the report of its last run."""
    reports, old = _reports(deployment(stack)), _reports(before)
    assert reports.keys() == old.keys()
    ran = [report for urn, report in reports.items() if report["restore_time"] != old[urn]["restore_time"]]
    return [file["script"] for report in ran for file in report["applied"]]


def _reports(state: Deployment) -> dict[str, Any]:
    return {
        resource["urn"]: resource["outputs"]["report"]
        for resource in state["resources"]
        if UPGRADED.get(resource["type"]) is MigrationsProvider
    }
