"""The workflows against GitHub's schema, and the rules that they keep beside it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import ROOT
from tools.touched import changed, touched

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

_STACK = re.compile(r"\$\{\{ (matrix|inputs)\.stack \}\}")


def jobs() -> Iterator[Any]:
    """Every job of every workflow, named, and what takes turns with it."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        for name, job in workflow["jobs"].items():
            turns = workflow.get("concurrency") or job.get("concurrency")
            yield pytest.param(job, turns, id=f"{path.stem}-{name}")


def test_github_would_take_them() -> None:
    assert {path.stem for path in WORKFLOWS} == set("preview deploy move drift operate test backup drill".split())
    # The schema comes with the checker: no network.
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows")
    done = subprocess.run((*command, *map(str, WORKFLOWS)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_checker_refuses_what_github_would(tmp_path: Any) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-at:"))
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(wrong))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_least(path: Any) -> None:
    uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("job", "turns"), list(jobs()))
def test_a_job(job: dict[str, Any], turns: dict[str, Any] | None) -> None:
    assert job["timeout-minutes"]
    text = yaml.safe_dump(job)
    secrets = set(re.findall(r"secrets\.(\w+)", text))
    # Credentials belong to an environment, and a job that has them takes turns.
    assert not secrets or (_STACK.search(job["environment"]) and turns)
    assert set(job.get("permissions", {})) <= {"contents", "pull-requests", "id-token"}
    # An expression inside a script is filled in before the shell reads it, so whoever names a branch writes the script.
    assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []
    for step in job["steps"]:
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_a_deployment_waits_for_its_environment_and_is_never_cancelled() -> None:
    deploy = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"]["deploy"]
    assert deploy["environment"] == "${{ matrix.stack }}"
    assert deploy["concurrency"] == {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}


@pytest.mark.parametrize(
    ("files", "stacks"),
    [
        (["Pulumi.prod.yaml"], ["prod"]),
        (["systems/villa.yaml"], ["prod"]),
        (["migrations/villa/villa/V2__More.sql", "README.md"], ["prod"]),
        (["policies.prod.json"], ["prod"]),
        (["components/pool.py"], ["prod", "staging"]),
        (["systems/tudao.yaml", "migrations/villas/x.sql"], []),
        (["docs/policies.md", "tests/unit/test_app.py", "Pulumi.dev.yaml"], []),
        (None, ["prod", "staging"]),
    ],
)
def test_stacks_touched(files: list[str] | None, stacks: list[str], tmp_path: Any) -> None:
    for name, config in (
        ("prod", {"trellis:system": "villa"}),
        ("staging", {"trellis:system": "audifi"}),
        ("dev", {"trellis:system": "villa", "digitalocean:apiEndpoint": "http://127.0.0.1:7080"}),
    ):
        (tmp_path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))
    assert touched(files, tmp_path) == stacks


def test_names_that_git_would_quote_are_read(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(("git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments), cwd=tmp_path, check=True)

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    file = 'migrations/villa/villa/V2__Grüße "und" mehr.sql'
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("SELECT 1;")
    git("add", ".")
    git("commit", "--quiet", "--message", "second")
    assert changed("HEAD~1", tmp_path) == [file]


def test_a_branch_that_is_new_touches_all() -> None:
    command = (sys.executable, "-m", "tools.touched", "--since", "0" * 40)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == touched(None, ROOT) == ["prod"]


@pytest.mark.parametrize("change", [None, "config:\n  digitalocean:apiEndpoint: http://127.0.0.1:1\n"])
def test_a_stack_cannot_leave_by_its_own_change(change: str | None, tmp_path: Path) -> None:
    """Its file is deleted, or says that it is one of a developer's machine."""
    here, base = tmp_path / "here", tmp_path / "base"
    here.mkdir()
    base.mkdir()
    (base / "Pulumi.prod.yaml").write_text("config:\n  trellis:system: villa\n")
    if change:
        (here / "Pulumi.prod.yaml").write_text(change)
    assert touched(["Pulumi.prod.yaml"], here) == []
    assert touched(["Pulumi.prod.yaml"], here, base) == ["prod"]


@pytest.mark.parametrize(
    ("found", "names", "judged", "code"),
    [
        ("success", "[]", "skipped", 0),
        ("success", '["prod"]', "success", 0),
        ("success", '["prod"]', "failure", 1),
        ("success", '["prod"]', "cancelled", 1),
        # A fork's has no credential, so nobody has judged it.
        ("success", '["prod"]', "skipped", 1),
        ("failure", "", "skipped", 1),
    ],
)
def test_the_required_check(found: str, names: str, judged: str, code: int) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    job = workflow["jobs"]["judged"]
    assert (job["if"], job["needs"]) == ("always()", ["stacks", "preview"])
    (step,) = job["steps"]
    environment = {"FOUND": found, "NAMES": names, "JUDGED": judged}
    done = subprocess.run(("bash", "-e", "-c", step["run"]), env=environment, check=False, capture_output=True)
    assert done.returncode == code


def test_the_judge_is_not_the_pull_requests() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    steps = workflow["jobs"]["preview"]["steps"]
    (judge,) = [step for step in steps if step.get("with", {}).get("path") == ".judge"]
    assert judge["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    for step in steps:
        script = step.get("run", "").replace("cd .judge && ", ".judge/")
        if "python" in script:
            assert script.count(".judge/.venv/bin/python -P") == script.count("python")
            assert step["env"]["PYTHONPATH"] == "${{ github.workspace }}/.judge"


def _commands(page: str) -> list[str]:
    """The blocks of shell commands of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_page_requires_the_check_that_there_is() -> None:
    preview = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    (block,) = [block for block in _commands("ci.md") if "rulesets" in block]
    ruleset = json.loads(block.partition("<<EOF\n")[2].removesuffix("EOF\n"))
    (checks,) = [rule["parameters"] for rule in ruleset["rules"] if rule["type"] == "required_status_checks"]
    assert checks["required_status_checks"][0]["context"] == preview["jobs"]["judged"]["name"]
    assert checks["strict_required_status_checks_policy"] is True


def test_the_page_names_every_secret_variable_and_environment() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    workflows = "\n".join(path.read_text() for path in WORKFLOWS)
    named = set(re.findall(r"(?:secrets|vars)\.(\w+)", workflows))
    assert named == set(re.findall(r"`?\b((?:DIGITALOCEAN|CLOUDFLARE|PULUMI|MAY|PREVIEW|BACKUP)_\w+|RUNNER)\b", page))
    environments = {job["environment"] for job in (one.values[0] for one in jobs()) if "environment" in job}
    for name in environments:
        assert f"environments/{_STACK.sub('prod', name)}" in page.replace("$name", "prod-drift") + page.replace(
            "$name", "prod-operate"
        )


def test_the_commands_of_the_page_are_a_shells() -> None:
    for block in _commands("ci.md"):
        done = subprocess.run(("bash", "-n"), input=block, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), block
