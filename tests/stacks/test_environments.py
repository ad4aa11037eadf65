"""Villa twice in one account, as docs/environments.md has it: production and a staging beside it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.stacks.harness import LocalStack, local_stack, program_copy
from tools import ROOT
from trellis.development.bring import Parts

LOCAL = {"trustedSources": ["127.0.0.1"], "protect": "never"}
PROFILE = "INSERT INTO profiles (address, nickname, nickname_normalized) VALUES (%s, %s, %s)"


@pytest.fixture(scope="module")
def both(parts: Parts) -> Iterator[tuple[LocalStack, LocalStack]]:
    """Production and staging on one local cloud, both at launch."""
    page = (ROOT / "docs" / "environments.md").read_text()
    staging_file = re.search(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert staging_file
    salt = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["encryptionsalt"]
    with program_copy() as program:
        (program / "systems" / "villa.yaml").write_text((ROOT / "systems" / "villa.yaml").read_text())
        for name, text in (("prod", (ROOT / "Pulumi.prod.yaml").read_text()), ("staging", staging_file.group(1))):
            (program / f"Pulumi.{name}.yaml").write_text(f"{text}encryptionsalt: {salt}\n")
        with local_stack(parts, "prod", program, **LOCAL) as production:
            production.up()
            staging = production.beside("staging", **LOCAL)
            staging.up()
            yield production, staging


def test_two_environments_of_one_system(both: tuple[LocalStack, LocalStack]) -> None:
    production, staging = both
    assert _names(production) == {
        "databases": {"villa-db", "villa-db-staging"},
        "vpcs": {"villa-vpc", "villa-vpc-staging"},
        "apps": {"villa-web", "villa-api", "villa-web-staging", "villa-api-staging"},
    }
    assert _web(production, "villa-web") == ("villa.cash", "https://api.villa.cash")
    assert _web(production, "villa-web-staging") == ("staging.villa.cash", "https://api-staging.villa.cash")
    _write(production, "of-production")
    _write(staging, "of-staging")
    for grown, other in ((staging, production), (production, staging)):
        _grow(grown, other)
    _another_suffix_is_refused(staging)
    staging.must("destroy", "--yes", "--skip-preview")
    assert _names(production) == {
        "databases": {"villa-db"},
        "vpcs": {"villa-vpc"},
        "apps": {"villa-web", "villa-api"},
    }
    production.must("preview", "--refresh", "--expect-no-changes")
    assert _nicknames(production) == ["of-production"]
    production.must("destroy", "--yes", "--skip-preview")
    assert not production.api("GET", "/v2/databases").get("databases")


def _grow(grown: LocalStack, other: LocalStack) -> None:
    rows, cluster = _nicknames(other), _cluster(other)
    grown.configure(phase="growth")
    grown.up()
    assert _cluster(grown)["size"] == "db-s-1vcpu-2gb"
    other.must("preview", "--refresh", "--expect-no-changes")
    assert (_nicknames(other), _cluster(other)) == (rows, cluster)


def _another_suffix_is_refused(staging: LocalStack) -> None:
    before = len(staging.journal())
    for suffix, said, *command in (("qa", "qa", "preview"), ("", "empty", "up", "--yes", "--skip-preview")):
        staging.configure(nameSuffix=suffix)
        assert f"trellis:nameSuffix is {said}, but staging is deployed." in staging.fails(*command)
    assert staging.changes(before) == []
    staging.configure(nameSuffix="staging")


def _names(stack: LocalStack) -> dict[str, set[str]]:
    found = {kind: stack.api("GET", f"/v2/{kind}").get(kind) or [] for kind in ("databases", "vpcs", "apps")}
    return {
        kind: {
            entry["spec"]["name"] if kind == "apps" else entry["name"] for entry in entries if not entry.get("default")
        }
        for kind, entries in found.items()
    }


def _web(stack: LocalStack, name: str) -> tuple[str, str]:
    """The host of a web app, and where it looks for its API."""
    (app,) = (app for app in stack.api("GET", "/v2/apps")["apps"] if app["spec"]["name"] == name)
    (domain,), (service,) = app["spec"]["domains"], app["spec"]["services"]
    (variable,) = service["envs"]
    return domain["domain"], variable["value"]


def _cluster(stack: LocalStack) -> dict[str, Any]:
    name = "villa-db-staging" if stack.name == "staging" else "villa-db"
    (cluster,) = (cluster for cluster in stack.api("GET", "/v2/databases")["databases"] if cluster["name"] == name)
    return {key: cluster[key] for key in ("id", "size", "status", "num_nodes")}


def _pooled(stack: LocalStack) -> str:
    return str(stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"])


def _write(stack: LocalStack, nickname: str) -> None:
    with stack.connect(_pooled(stack)) as connection:
        connection.execute(PROFILE, ("0x" + "1" * 40, nickname, nickname))


def _nicknames(stack: LocalStack) -> list[str]:
    with stack.connect(_pooled(stack)) as connection:
        return [row[0] for row in connection.execute("SELECT nickname FROM profiles ORDER BY nickname")]
