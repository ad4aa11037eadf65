"""The workflows, step by step, with the real engine: a deployment, a drift, and pull requests that must not pass.

test.yml is left out: its one step is what runs this.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stacks.harness import LocalStack, open_folder, without_dns
from tests.workflows.github import BOT, REPOSITORY, GitHub, serving
from tests.workflows.runner import FAILURE, SUCCESS, Environment, Event, Job, Runner
from tools import ROOT
from trellis.development.bring import bring, cache_folder
from trellis.operations.preview_report.rendering import marker

STACK = "prod"
SQL = Path("migrations", "villa", "villa")
BACKEND = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE")
# Where it is, plugins are; and this machine need not reach Pulumi's servers.
MACHINE = ("PULUMI_HOME", "PULUMI_SKIP_UPDATE_CHECK", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION")


def git(folder: Path, *arguments: str) -> str:
    """Runs git, which must work; returns what it printed."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    return subprocess.run(
        ("git", *who, "-C", str(folder), *arguments), check=True, capture_output=True, text=True
    ).stdout.strip()


@dataclass(kw_only=True)
class Company:
    """A repository with a stack in production, its runners and its GitHub."""

    clone: Path
    runner: Runner
    stack: LocalStack
    github: GitHub
    numbers: int = 0

    @property
    def head(self) -> str:
        """The commit that main is at."""
        return git(self.runner.origin, "rev-parse", "main")

    def push(self, before: str) -> dict[str, list[Job]]:
        """Pushes what is committed to main, and walks deploy.yml."""
        git(self.clone, "push", "--quiet", "origin", "HEAD:refs/heads/main")
        return self.runner.walk("deploy.yml", Event(name="push", ref="refs/heads/main", payload={"before": before}))

    def operate(self, schedule: str) -> Job:
        """Walks operate.yml, at one of its times."""
        event = Event(name="schedule", ref="refs/heads/main", payload={"schedule": schedule})
        (job,) = self.runner.walk("operate.yml", event)["operate"]
        return job

    def morning(self) -> dict[str, list[Job]]:
        """Walks drift.yml."""
        return self.runner.walk("drift.yml", Event(name="schedule", ref="refs/heads/main", payload={}))

    def move(self, step: str, branch: str) -> Job:
        """Walks move.yml."""
        inputs = {"stack": STACK, "branch": branch, "step": step}
        event = Event(name="workflow_dispatch", ref="refs/heads/main", payload={"inputs": inputs})
        (job,) = self.runner.walk("move.yml", event)["move"]
        return job

    @contextmanager
    def branch(self) -> Iterator[Path]:
        """A branch to change files in; the clone is at main again afterwards."""
        git(self.clone, "checkout", "--quiet", "-B", "branch", "main")
        try:
            yield self.clone
        finally:
            git(self.clone, "checkout", "--quiet", "--force", "main")
            git(self.clone, "clean", "--quiet", "--force", "-d")

    def propose(self) -> "Proposed":
        """Opens a pull request of what is changed in the branch, and walks preview.yml."""
        self.numbers += 1
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", "Change")
        # GitHub runs what a merge would come to.
        git(self.clone, "checkout", "--quiet", "--detach", "main")
        git(self.clone, "merge", "--quiet", "--no-ff", "--message", "Merge", "branch")
        ref = f"refs/pull/{self.numbers}/merge"
        git(self.clone, "push", "--quiet", "origin", f"HEAD:{ref}")
        request = {"base": {"sha": self.head}, "head": {"repo": {"full_name": REPOSITORY}}}
        payload = {"number": self.numbers, "pull_request": request}
        jobs = self.runner.walk("preview.yml", Event(name="pull_request", ref=ref, payload=payload))
        return Proposed(jobs=jobs, number=self.numbers, github=self.github)


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What became of a pull request."""

    jobs: dict[str, list[Job]]
    number: int
    github: GitHub

    @property
    def report(self) -> str:
        """Its one comment, by the job itself."""
        (comment,) = self.github.comments[self.number]
        assert comment["user"] == {"login": BOT}
        assert comment["body"].startswith(marker(STACK))
        return str(comment["body"])

    def must_not_pass(self, *places: str) -> str:
        """Its comment. The report was made and tells of an objection, so the job and the required check failed.

        places: files, with lines, of each of which an annotation must tell, once.
        """
        (preview,) = self.jobs["preview"]
        report, comment, verdict = map(preview.step, ("Report", "Comment", "The report's verdict"))
        assert (report.code, report.conclusion) == (4, SUCCESS), preview.log
        assert (comment.code, verdict.code) == (0, 1), preview.log
        assert [job.result for job in (preview, *self.jobs["judged"])] == [FAILURE, FAILURE]
        assert "**Not to be merged like this.**" in self.report
        told = re.findall(r"^::error file=(.*?),(?:col=\d+,)?title=", report.log, re.MULTILINE)
        assert [place for place in places if told.count(place) != 1] == [], report.log
        return self.report


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    """Its first push deploys the stack, in production and in launch."""
    with open_folder() as folder, serving() as github:
        parts, clone, origin = bring(), folder / "clone", folder / REPOSITORY
        origin.mkdir(parents=True)
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        git(folder, "init", "--quiet", "--initial-branch=main", str(clone))
        # What git knows here, or would add.
        git(ROOT, "--git-dir", str(clone / ".git"), "--work-tree", str(ROOT), "add", "--all")
        git(clone, "checkout", "--quiet", "--", ".")
        git(clone, "remote", "add", "origin", origin.as_uri())
        without_dns(clone)
        with (clone / f"Pulumi.{STACK}.yaml").open("a") as file:
            file.write("  trellis:trustedSources: [127.0.0.1]\n")
        stack = LocalStack(folder / "workspace", parts, STACK, clone)
        stack.start()
        try:
            variables = stack.workspace.variables()
            # It has what this machine's has, but no links to servers.
            cache = folder / "cache"
            cache.mkdir()
            (cache / "debian").symlink_to(cache_folder() / "debian")
            token = {"DIGITALOCEAN_TOKEN": variables["DIGITALOCEAN_TOKEN"]}
            reading = {"DIGITALOCEAN_READ_TOKEN": variables["DIGITALOCEAN_TOKEN"]}
            runner = Runner(
                folder=folder / "jobs",
                origin=origin,
                github=github,
                parts=parts,
                environments={
                    STACK: Environment(secrets=token),
                    f"{STACK}-preview": Environment(secrets=reading, variables={"PULUMI_TEAM": "readers"}),
                    f"{STACK}-drift": Environment(secrets=reading),
                    f"{STACK}-operate": Environment(secrets=reading),
                },
                variables={"PULUMI_ORGANIZATION": "ada-org"},
                tokens={("ada-org", "organization", ""), ("ada-org", "team", "team:readers")},
                backend={name: variables[name] for name in BACKEND},
                machine={
                    **{name: variables[name] for name in MACHINE},
                    "DIGITALOCEAN_API_URL": stack.workspace.api,
                    "TRELLIS_CACHE": str(cache),
                },
            )
            git(clone, "add", "--all")
            git(clone, "commit", "--quiet", "--message", "Villa in production")
            yield Company(clone=clone, runner=runner, stack=stack, github=github)
        finally:
            stack.stop()


def test_the_first_push_deploys_with_the_policies(company: Company) -> None:
    jobs = company.push("0" * 40)
    (stacks,), (deploy,) = jobs["stacks"], jobs["deploy"]
    assert stacks.outputs == {"names": f'["{STACK}"]'}, stacks.log
    assert deploy.result == SUCCESS, deploy.log
    assert "digitalocean-databases" in deploy.log
    (cluster,) = company.stack.api("GET", "/v2/databases")["databases"]
    assert cluster["name"] == "villa-db"


def test_a_warning_waits_for_the_morning(company: Company) -> None:
    hourly = company.operate("37 * * * *")
    assert hourly.result == SUCCESS, hourly.log
    assert "villa has no jobs." in hourly.log
    assert "warning: villa-db: no restore was ever proven. [drill]" in hourly.log
    early = company.operate("52 5 * * *")
    assert (early.result, early.step("Status").code) == (FAILURE, 5), early.log
    assert "[grants]" not in early.log


def test_nothing_has_drifted_and_then_something_has(company: Company) -> None:
    jobs = company.morning()
    (quiet,), (facts,) = jobs["drift"], jobs["facts"]
    assert quiet.result == SUCCESS, quiet.log
    # The local cloud has the servers of this machine alone, and that is told.
    assert facts.result == FAILURE
    assert "standard, versions: not offered: 13" in facts.step("Facts").log
    (cluster,) = company.stack.api("GET", "/v2/databases")["databases"]
    firewall = f"/v2/databases/{cluster['id']}/firewall"
    rules = company.stack.api("GET", firewall)["rules"]
    opened = [{"type": rule["type"], "value": rule["value"]} for rule in rules]
    company.stack.api("PUT", firewall, {"rules": [*opened, {"type": "ip_addr", "value": "198.51.100.7"}]})
    (told,) = company.morning()["drift"]
    company.stack.api("PUT", firewall, {"rules": opened})
    assert told.result == FAILURE
    assert "198.51.100.7" in told.log


def test_its_own_judge(company: Company) -> None:
    with company.branch() as files:
        (files / f"policies.{STACK}.json").write_text('{"all": "disabled"}')
        pack = files / "policies" / "pack.py"
        pack.write_text(pack.read_text() + "\n\ndef serve() -> None:\n    raise SystemExit(0)\n")
        (files / "tools" / "touched.py").write_text('print("[]")\n')
        system = files / "systems" / "villa.yaml"
        system.write_text(system.read_text().replace("mode: transaction", "mode: session"))
        report = company.propose().must_not_pass(f"policies.{STACK}.json", "policies/pack.py")
    for name in (f"policies.{STACK}.json", "policies/pack.py"):
        assert f"`{name}`: It is changed, and judges what is merged after it." in report
    assert "[`pool-mode-transaction`]" in report


def test_an_edited_migration(company: Company) -> None:
    with company.branch() as files:
        file = files / SQL / "V1.0.1__Profiles.sql"
        file.write_text(file.read_text().replace("CREATE TABLE profiles", "CREATE TABLE  profiles"))
        report = company.propose().must_not_pass(str(SQL / "V1.0.1__Profiles.sql"))
    assert "V1.0.1__Profiles.sql" in report


def test_deleted_data(company: Company) -> None:
    with company.branch() as files:
        system = files / "systems" / "villa.yaml"
        system.write_text(system.read_text().replace("name: villa-db\n", "name: villa-main\n"))
        report = company.propose().must_not_pass()
    assert "the cluster and its data are deleted" in report


def test_a_new_database_is_reviewed_with_its_server(company: Company) -> None:
    with company.branch() as files:
        system = files / "systems" / "villa.yaml"
        new = "      villa:\n", "      shop:\n        roles: {app_role: villa_app}\n      villa:\n"
        system.write_text(system.read_text().replace(*new, 1))
        for path, text in (
            (files / "migrations/villa/shop/V1__Orders.sql", "CREATE TABLE orders (id bigint PRIMARY KEY);"),
            (files / SQL / "V1.0.7__Bio.sql", "CREATE INDEX profiles_bio ON profiles (nickname);"),
        ):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        report = company.propose().must_not_pass(f"{SQL}/V1.0.7__Bio.sql,line=1")
    assert "V1.0.7__Bio.sql" in report
    assert "villa-db/shop" in report
    # The shadow run of both: their schema's changes are told.
    assert "not on this machine" not in report
    assert "orders" in report


def test_what_may_pass(company: Company) -> None:
    with company.branch() as files:
        system = files / "systems" / "villa.yaml"
        image = "image: {repository: villa-api}", 'image: {repository: villa-api, tag: "2"}'
        system.write_text(system.read_text().replace(*image))
        proposed = company.propose()
    (preview,) = proposed.jobs["preview"]
    assert preview.result == SUCCESS, preview.log
    assert [job.result for job in proposed.jobs["judged"]] == [SUCCESS]
    assert "Nothing to object to." in proposed.report


def test_what_touches_no_stack(company: Company) -> None:
    with company.branch() as files:
        (files / "docs" / "villa.md").write_text("Villa\n")
        proposed = company.propose()
    assert proposed.jobs["preview"] == []
    (judged,) = proposed.jobs["judged"]
    assert judged.result == SUCCESS
    assert "Stacks touched: []" in judged.log
    assert proposed.number not in company.github.comments


def test_a_move_of_what_a_branch_asks_for(company: Company) -> None:
    """Its step is recorded in the branch; main's programs ran."""
    company.stack.api("POST", "/_local/account", {"subscriptions": True})
    with company.branch() as files:
        system = files / "systems" / "villa.yaml"
        system.write_text(system.read_text().replace('version: "17"', 'version: "18"'))
        (files / "trellis" / "operations" / "move" / "command.py").write_text("raise SystemExit('not of main')\n")
        git(files, "commit", "--quiet", "--all", "--message", "PostgreSQL 18")
        git(files, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/eighteen")
    before = git(company.runner.origin, "rev-parse", "eighteen")
    planned = company.move("plan", "eighteen")
    assert planned.result == SUCCESS, planned.log
    assert "villa-db: PostgreSQL 17 → 18" in planned.log
    assert git(company.runner.origin, "rev-parse", "eighteen") == before
    started = company.move("start", "eighteen")
    assert started.result == SUCCESS, started.log
    assert "every change follows" in started.log
    assert git(company.runner.origin, "rev-parse", "eighteen~1") == before
    assert git(company.runner.origin, "diff", "--name-only", before, "eighteen") == f"Pulumi.{STACK}.yaml"
    assert "trellis:moves" in git(company.runner.origin, "show", f"eighteen:Pulumi.{STACK}.yaml")
    assert git(company.runner.origin, "log", "-1", "--format=%s", "eighteen") == f"Move of {STACK}: start"
