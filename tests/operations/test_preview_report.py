"""The report: read from the engine's events, judged, and written as one comment."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE as UNKNOWN

from policies.kinds import (
    APP,
    BUCKET,
    CLUSTER,
    DATABASE,
    DROPLET,
    FIREWALL,
    MIGRATIONS,
    PHASE,
    POOL,
    REPLICA,
    USER,
    VOLUME,
    VPC,
)
from policies.pack import RULES
from tests.operations.conftest import Finished
from tests.operations.test_diagram import classes
from tests.operations.test_stack import Command
from tests.stacks.harness import local_stack
from trellis.development.bring import bring
from trellis.operations.check.findings import Finding, Review, Severity
from trellis.operations.check.statements import Waiver
from trellis.operations.preview_report.connections import EFFECTS, disturbances, effect, losses
from trellis.operations.preview_report.costs import costs
from trellis.operations.preview_report.judge import changed, pack
from trellis.operations.preview_report.places import Places
from trellis.operations.preview_report.preview import Preview, Step, read
from trellis.operations.preview_report.rendering import LEGEND, LONGEST, as_markdown, marker
from trellis.operations.preview_report.report import FAILED, NOTHING, OBJECTION, Report

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:prod::shop::shop:Shop${kind}::{name}"


def event(operation: str, kind: str, name: str, old: Any = None, new: Any = None, diff: Any = None) -> dict[str, Any]:
    """A step as the engine tells it."""
    return {
        "resourcePreEvent": {
            "metadata": {
                "op": operation,
                "urn": urn(kind, name),
                "type": kind,
                "old": None if old is None else {"custom": True, "inputs": old},
                "new": None if new is None else {"custom": True, "inputs": new},
                "detailedDiff": diff,
            }
        }
    }


def finding(policy: str, message: str, level: str = "mandatory") -> dict[str, Any]:
    """A finding as the engine tells it."""
    return {
        "policyEvent": {
            "policyName": policy,
            "message": message,
            "enforcementLevel": level,
            "resourceUrn": urn(CLUSTER, "db"),
        }
    }


SMALL, LARGE = {"size": "db-s-1vcpu-1gb"}, {"size": "db-s-2vcpu-4gb"}
RESIZE = event("update", CLUSTER, "db", SMALL, LARGE, {"size": {"kind": "update"}})


def report(*events: Mapping[str, Any], finished: bool = True, said: str = "", review: Review | None = None) -> Report:
    """A report on these events."""
    preview = read(events, finished=finished, said=said)
    return Report(
        stack="prod",
        preview=preview,
        reviews=[("db/shop", review)] if review else [],
        unread=[],
        costs=costs(preview.steps, {}),
        losses=losses(preview.steps),
    )


def test_nothing_to_object_to() -> None:
    quiet = report(event("same", CLUSTER, "db", SMALL, SMALL))
    assert quiet.exit_code == NOTHING
    text = as_markdown(quiet)
    assert text.startswith(f"{marker('prod')}\n")
    for line in ("Nothing to object to.", "Nothing changes.", "Nobody who is connected notices.", "All kept."):
        assert f"\n{line}\n" in text
    assert "$15.15 before, $15.15 after." in text


def test_a_resize_tells_connections_and_cost() -> None:
    text = as_markdown(report(RESIZE))
    assert "1 to update, 0 unchanged." in text
    assert "| update | `DatabaseCluster` | `db` | size db-s-1vcpu-1gb → db-s-2vcpu-4gb |" in text
    assert "| `db` | resize: fail-over in the end, seconds; every client reconnects |" in text
    assert "$15.15 before, $60.90 after (+$45.75)." in text


def test_a_replacement_is_one_change() -> None:
    steps = [
        event("create-replacement", POOL, "pool", {"size": 17}, {"size": 39}, {"size": None}),
        event("replace", POOL, "pool", {"size": 17}, {"size": 39}, {"size": None}),
        event("delete-replaced", POOL, "pool", {"size": 17}),
    ]
    (step,) = read(steps, finished=True).changes
    assert (step.operation, step.changed, step.new) == ("replace", ("size",), {"size": 39})
    assert "its clients reconnect" in str(effect(step))


def test_values_that_may_be_secret_are_named_only() -> None:
    diff = {"size": None, "password": None, "spec.services[0].envs[1].value": None, "version": None}
    (step,) = read(
        [event("update", CLUSTER, "db", {"password": SECRET}, {"version": UNKNOWN}, diff)], finished=True
    ).changes
    assert step.describe() == [
        "size",
        "password (a secret) → (not set)",
        "spec",
        "version (not set) → (only `up` will know)",
    ]


def test_an_update_that_only_up_can_tell_is_no_change_yet() -> None:
    def app(host: str, tag: str = "1") -> dict[str, Any]:
        return {"spec": {"envs": [{"key": "HOST", "value": host}, {"key": "PASSWORD", "value": SECRET}], "tag": tag}}

    diff: dict[str, Any] = {"spec.envs": {}}
    postponed = finding("postponed-to-up", "Why.", "advisory")
    waiting = {"policyEvent": {**postponed["policyEvent"], "resourceUrn": urn(APP, "hidden")}}
    unsure = report(
        event("update", APP, "unsure", app("a"), app(UNKNOWN), diff),
        event("update", APP, "sure", app("a"), app(UNKNOWN, tag="2"), diff),
        # A secret is masked, known or not: a policy is told which.
        event("update", APP, "hidden", app("a"), app("a"), diff),
        event("update", APP, "secret", app("a"), app("a"), diff),
        waiting,
    )
    assert {step.name: step.certain for step in unsure.preview.changes} == {
        "unsure": False,
        "sure": True,
        "hidden": False,
        "secret": True,
    }
    text = as_markdown(unsure)
    assert "\n2 perhaps to update, 2 to update, 0 unchanged.\n" in text
    assert "\nPerhaps: only `up` will know a value of it" in text
    assert "\n| perhaps update | `App` | `unsure` | spec.envs[HOST].value a → (only `up` will know) |\n" in text
    assert "\n| `unsure` | perhaps new deployment: " in text
    assert "\n| `sure` | new deployment: " in text


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (finding("data-protected", "Why.\ndb is not protected."), OBJECTION),
        (finding("other", "can't run policy 'other' from policy pack 'x' during preview", "advisory"), OBJECTION),
        (finding("version-end-of-life", "Why.\nSoon.", "advisory"), NOTHING),
        (finding("postponed-to-up", "Why.\npostponed to `up`: names.", "advisory"), NOTHING),
    ],
    ids=["mandatory", "could not run", "advice", "postponed"],
)
def test_policies(finding: dict[str, Any], code: int) -> None:
    failed = {"diagnosticEvent": {"severity": "error", "message": "preview failed\n"}}
    judged = report(finding, *([failed] if code else []), finished=not code)
    assert judged.exit_code == code
    assert as_markdown(judged).count(finding["policyEvent"]["message"].splitlines()[-1]) == 1


@pytest.mark.parametrize("kind", [CLUSTER, DATABASE, VPC, REPLICA, VOLUME, BUCKET])
@pytest.mark.parametrize("operation", ["delete", "replace"])
def test_lost_data(kind: str, operation: str) -> None:
    step = event(operation, kind, "db", {}, None if operation == "delete" else {})
    assert report(step).exit_code == OBJECTION
    assert f"db is {operation}d: " in as_markdown(report(step))


def test_a_cache_is_no_data() -> None:
    assert report(event("delete", CLUSTER, "cache", {"engine": "valkey"})).exit_code == NOTHING


def test_protection_is_judged_by_what_is_deployed() -> None:
    taken = report(event("update", PHASE, "phase", {"protect": True}, {"protect": False}, {"protect": None}))
    assert [one.what for one in taken.objections] == ["phase is updated: what holds data is not protected any more."]
    given = report(event("update", PHASE, "phase", {"protect": False}, {"protect": True}, {"protect": None}))
    assert given.exit_code == NOTHING
    alone = report(event("same", PHASE, "phase", {"protect": True}, {"protect": False}))
    assert [one.what for one in alone.objections] == ["phase: what holds data is not protected any more."]
    left = report(event("update", PHASE, "phase", {}, {"abandon": "shared"}, {"layout": None}))
    assert [one.what for one in left.objections] == ["phase is updated: the clusters of shared may be deleted."]


def test_a_change_is_told_value_by_value() -> None:
    def app(*envs: tuple[str, str], tag: str = "1") -> dict[str, Any]:
        variables = [{"key": key, "value": value} for key, value in envs]
        return {"spec": {"__defaults": [], "services": [{"name": "web", "image": {"tag": tag}, "envs": variables}]}}

    def rules(*sources: str) -> dict[str, Any]:
        return {"rules": [{"type": "ip_addr", "value": source} for source in sources]}

    before = app(("OLD", "1"), ("LEVEL", "info"), ("URL", "postgresql://a:b@c/d"), ("LONG", "x" * 99))
    after = app(("LEVEL", "debug"), ("URL", "postgresql://a:z@c/d"), ("LONG", "y" * 99), ("NEW", "2"), tag="2")
    changed, opened, new = read(
        [
            event("update", APP, "web", before, after, {"spec": None}),
            event("update", FIREWALL, "list", rules("10.0.0.0/16", "a"), rules("b", "10.0.0.0/16"), {"rules[0]": None}),
            event("create", APP, "new", new={"spec": {"region": "nyc", "services": [{"instanceCount": 2.0, "x": 1}]}}),
        ],
        finished=True,
    ).changes
    assert changed.describe() == [
        "spec.services[web].image.tag 1 → 2",
        "spec.services[web].envs[OLD].value 1 → (not set)",
        "spec.services[web].envs[LEVEL].value info → debug",
        "spec.services[web].envs[URL].value (a secret) → (a secret)",
        f"spec.services[web].envs[LONG].value {'x' * 60}… → {'y' * 60}…",
        "spec.services[web].envs[NEW].value (not set) → 2",
    ]
    assert opened.describe() == [
        "rules[a] is gone",
        "rules[b] is new",
    ]
    assert new.describe() == ["spec.region nyc", "spec.services[0].instanceCount 2"]


def test_files_of_a_schema_are_told_by_name() -> None:
    def files(**names: str) -> dict[str, Any]:
        return {"files": {f"{name}.sql": checksum for name, checksum in names.items()}, "provider_version": "4"}

    (step,) = read(
        [event("update", MIGRATIONS, "db", files(V1="1", R__a="1", R__b="1"), files(V1="1", V2="1", R__a="2"))],
        finished=True,
    ).changes
    assert step.describe() == ["R__a.sql is changed", "R__b.sql is gone", "V2.sql is new"]
    made, gone = read(
        [event("create", MIGRATIONS, "new", new=files(V1="1")), event("delete", MIGRATIONS, "old", files(V1="1"))],
        finished=True,
    ).changes
    assert (made.describe(), gone.describe()) == (["V1.sql is new"], [])


def test_what_a_provider_does_not_name_is_told() -> None:
    (step,) = read([event("update", PHASE, "phase", {"rank": 0, "x": 1}, {"rank": 1, "x": 1})], finished=True).changes
    assert step.describe() == ["rank 0 → 1"]


def test_what_judges_is_not_the_pull_requests(tmp_path: Path) -> None:
    base, here = tmp_path / "base", tmp_path / "here"
    for root in (base, here):
        (root / "policies").mkdir(parents=True)
        (root / ".github" / "workflows").mkdir(parents=True)
        (root / ".github" / "workflows" / "preview.yml").write_text("on: pull_request\n")
        (root / "policies" / "__main__.py").write_text("serve()\n")
        (root / "README.md").write_text(root.name)
    assert changed(base, here) == []
    (here / "policies.prod.json").write_text('{"all": "disabled"}')
    (here / "policies" / "__main__.py").write_text("pass\n")
    (here / ".github" / "workflows" / "preview.yml").unlink()
    assert changed(base, here) == [".github/workflows/preview.yml", "policies.prod.json", "policies/__main__.py"]
    assert pack(base) == base / "policies" / "__main__.py"
    assert pack(tmp_path) == pack(None)


def test_an_error_in_a_migration() -> None:
    error = Finding(
        file="V2.sql",
        line=1,
        column=1,
        rule="r",
        severity=Severity.ERROR,
        message="It blocks | readers.",
        advice="Do not.",
    )
    judged = report(review=Review(files=1, findings=(error,)))
    assert judged.exit_code == OBJECTION
    text = as_markdown(judged)
    assert "- `V2.sql:1:1`: It blocks \\| readers. `r`<br>Do not.\n" in text
    assert text.count("It blocks") == 1


def test_what_is_not_enforced() -> None:
    settings = {
        "version-end-of-life": "advisory",
        "pool-mode-transaction": "advisory",
        "names": {"enforcementLevel": "disabled"},
        "public-range-has-reason": {"reasons": {"198.51.100.0/28": "the office | in Lisbon"}},
        "monthly-budget": {"usd": 200},
    }
    quiet = report(event("same", CLUSTER, "db", SMALL, SMALL))
    assert "not enforced" not in as_markdown(quiet)
    waived = replace(
        quiet,
        settings=settings,
        waivers=[Waiver(file="V2.sql", line=3, rule="ban-drop-column")],
        allowed=["`db` may be deleted or replaced with its data."],
    )
    assert waived.exit_code == NOTHING
    lines = (
        "- `V2.sql:3` waives `ban-drop-column`.",
        "- `pool-mode-transaction` only advises.",
        "- `names` is disabled.",
        "- `public-range-has-reason` lets `198.51.100.0/28` pass: the office \\| in Lisbon",
        "- `monthly-budget` goes by usd `200`.",
        "- `db` may be deleted or replaced with its data.",
    )
    # Also where nothing else can be said.
    stopped = replace(waived, preview=replace(quiet.preview, errors=("It failed.",)))
    for one in (waived, stopped):
        text = as_markdown(one)
        assert "\n## What is not enforced here\n\n" + "\n".join(lines) + "\n" in text
    assert "Every policy is disabled." in as_markdown(replace(quiet, settings={"all": "disabled"}))


def test_what_could_not_be_found_out() -> None:
    broken = report(
        {"diagnosticEvent": {"severity": "error", "message": "Post http://127.0.0.1:1/v2/vpcs: refused"}},
        finished=False,
    )
    assert broken.exit_code == FAILED
    text = as_markdown(broken)
    assert "**The preview is not complete.**\n\n    Post http://127.0.0.1:1/v2/vpcs: refused" in text
    for claim in ("Nothing changes", "All kept", "Nobody who is connected", "$0"):
        assert claim not in text
    assert report(finished=False, said="error: no such stack").failures == ["error: no such stack"]


def test_every_effect_can_be_reached_and_what_is_not_known_is_said() -> None:
    for row in EFFECTS:
        step = Step(urn=urn(row.type, "it"), operation=row.operation, changed=tuple(row.properties)[:1])
        assert effect(step) == row.text
    new = Step(urn=urn(FIREWALL, "it"), operation="create")
    odd = Step(urn=urn("digitalocean:index/kubernetesCluster:KubernetesCluster", "it"), operation="update")
    assert [text for _, text in disturbances([new, odd])] == ["not known: look it up before merging"]


def test_a_comment_fits() -> None:
    long = report(*(event("create", VPC, f"vpc-{number}", new={"name": "x"}) for number in range(3000)))
    text = as_markdown(long)
    assert len(text) < LONGEST
    assert "\nToo long for a comment: Resources. `trellis preview-report` shows it.\n" in text
    assert "## Monthly cost" in text
    assert "## Policies" in text
    many = report(*(event("delete", CLUSTER, f"cluster-{number}", {}) for number in range(1000)))
    text = as_markdown(many)
    assert len(text) < LONGEST
    assert re.search(r"\n- … and \d+ more\. `trellis preview-report` shows them\.\n", text)
    assert "## Monthly cost" in text


def test_an_objection_says_what_where_by_which_rule_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "shop.yaml").write_text(
        "name: shop\nclusters:\n  main:\n    name: db\n    users: [app]\n"
        "    pools:\n      web: {size: 1}\n      api: {}\n"
    )
    (tmp_path / "Pulumi.prod.yaml").write_text(
        "config:\n  trellis:trustedSources: [198.51.100.7]\n  trellis:monitoring: {size: s-1vcpu-1gb}\n"
    )
    places = Places(tmp_path, "prod", "shop")
    named = {(CLUSTER, "db"): 3, (POOL, "db-web"): 7, (POOL, "db-api"): 8, (USER, "db-app"): 5, (REPLICA, "db-copy"): 3}
    for (kind, name), line in named.items():
        assert places.of(kind, name) == f"systems/shop.yaml:{line}"
    assert places.of(FIREWALL, "db-trusted-sources") == "Pulumi.prod.yaml:2"
    assert places.of(DROPLET, "shop-monitoring") == "Pulumi.prod.yaml:3"
    assert places.of(APP, "web") is None
    assert Places(tmp_path, "other", "none").of(CLUSTER, "db") is None
    # A file that the program refuses is read all the same.
    (tmp_path / "systems" / "odd.yaml").write_text("clusters: {main: 3, other: {users: , pools: x}}\napps: [1]\n")
    assert Places(tmp_path, "prod", "odd").of(CLUSTER, "main") == "systems/odd.yaml:1"
    assert Places(tmp_path, "prod", "odd").of(POOL, "web") is None

    rule = next(one for one in RULES if one.name == "cluster-in-vpc")
    message = f"{rule.protects}\ndb has no privateNetworkUuid. {rule.fix} {rule.source}"
    judged = replace(report(finding(rule.name, message)), places=places)
    told = f"- `systems/shop.yaml:3`: db has no privateNetworkUuid. [`cluster-in-vpc`]({rule.source})<br>{rule.fix}\n"
    text = as_markdown(judged)
    assert told in text
    assert text.count("privateNetworkUuid to") == text.count("has no privateNetworkUuid") == 1
    assert "\n1 is broken; the top says how.\n" in text


def test_on_a_stack(tmp_path: Any) -> None:
    with local_stack(bring()) as stack:
        command = Command(stack, tmp_path)

        def run(*arguments: str) -> Finished:
            return command.here("preview-report", "--stack", stack.name, *arguments)

        deployed = stack.must("up", "--yes", "--skip-preview", "--policy-pack", str(pack(None)))
        # Now every value is known, and every policy is kept.
        assert "✅ digitalocean-databases" in deployed
        assert "postponed" not in deployed
        unchanged = run()
        assert unchanged.code == NOTHING, unchanged.out + unchanged.err
        assert "Nothing changes." in unchanged.out
        assert "Nothing is pending." in unchanged.out
        assert "mermaid" not in unchanged.out

        stack.configure(phase="scale")
        written = tmp_path / "comment.md"
        grown = run("--output", str(written))
        assert (grown.code, grown.out) == (NOTHING, ""), grown.err
        text = written.read_text()
        assert "$25.15 before, $131.80 after (+$106.65)." in text
        assert "| `villa-db` | resize: fail-over in the end, seconds; every client reconnects |" in text
        assert "postponed" not in text
        assert "perhaps" not in text.replace(LEGEND, "")
        assert f"\n```\n\n{LEGEND}\n\n</details>\n" in text
        (diagram,) = re.findall(r"<details><summary>Diagram</summary>\n\n```mermaid\n(.*?)```", text, re.DOTALL)
        assert classes(diagram) == {"create": {"cluster1replica1"}, "update": {"cluster1", "pool1"}}

        # The stack's own price counts for the policy and for the report.
        stack.configure(prices={"db-s-2vcpu-4gb": 200})
        settings = tmp_path / "settings.json"
        settings.write_text('{"region-allowed": {"regions": ["fra1"]}, "monthly-budget": {"usd": 399}}')
        held = run("--policy-config", str(settings), "--json")
        values = json.loads(held.out)
        assert (held.code, values["ok"]) == (OBJECTION, False), held.err
        assert {one["policy"] for one in values["policies"]["violations"]} == {"region-allowed", "monthly-budget"}
        assert values["monthly_usd"] == {"before": 25.15, "after": 410, "unpriced": []}
        assert values["failures"] == []

        outputs = stack.outputs()
        uris = [
            uri for kind in ("direct_uris", "pooled_uris") for one in outputs[kind].values() for uri in one.values()
        ]
        passwords = {uri.split(":")[2].split("@")[0] for uri in uris}
        assert passwords
        said = (unchanged.out, unchanged.err, grown.err, text, held.out, held.err)
        assert not [password for password in passwords for one in said if password in one]

        settings.write_text("[")
        assert run("--policy-config", str(settings)).code == 2
        stack.must("destroy", "--yes", "--skip-preview")


def test_the_findings_of_a_preview_are_told_apart() -> None:
    preview: Preview = read(
        [finding("a", "m"), finding("b", "m", "advisory"), finding("postponed-to-up", "m", "advisory")], finished=True
    )
    assert [one["policyName"] for one in preview.violations + preview.advice + preview.postponed] == [
        "a",
        "b",
        "postponed-to-up",
    ]
