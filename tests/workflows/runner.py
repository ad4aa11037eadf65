"""Runs a workflow's jobs as GitHub's runner does: each in a fresh clone, every `run:` block in order, with bash.

What `uses:` names is done for real by what this machine has: git checks out, Python is this one, Pulumi the one of the
cache. A key or an expression that this runner does not know is an error of the test, never passed over.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.workflows.expressions import asks_for_status, evaluate, fill, shown
from tests.workflows.github import OWNERS, REPOSITORY, GitHub
from trellis.development.bring import PULUMI, Parts

SUCCESS, FAILURE, SKIPPED = "success", "failure", "skipped"
OF_A_JOB = next(iter(OWNERS))
_STEP = {"name", "id", "if", "env", "run", "uses", "with", "continue-on-error"}
_JOB = set("name needs if strategy runs-on timeout-minutes environment concurrency permissions outputs steps".split())
# Python's official language host reads from Pulumi.yaml which environment a program runs in; the one that is built
# from Go modules takes the first python3.
_HOST = '#!/bin/sh\nPATH="$PWD/.venv/bin:$PATH" exec {host} "$@"\n'


@dataclass(frozen=True, kw_only=True)
class Event:
    """What starts a workflow. ref: what is checked out. payload: of github.event."""

    name: str
    ref: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a job with this environment is told. A job without one is told none of it."""

    secrets: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Step:
    """A step that was looked at. outcome: before, conclusion: after `continue-on-error`."""

    name: str
    outcome: str
    conclusion: str
    code: int | None = None
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Job:
    """A job that was run, or skipped. folder: its checkout."""

    result: str
    folder: Path | None = None
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def log(self) -> str:
        """All that was printed."""
        return "".join(f"## {step.name}: {step.outcome}\n{step.log}" for step in self.steps)


@dataclass(kw_only=True)
class Runner:
    """A GitHub of one repository with its runners.

    origin: the repository. folder: for the jobs' clones. tokens: organization, kind and scope of those that Pulumi
    Cloud gives. backend: the environment that such a token stands for. machine: what is set where jobs run.
    """

    folder: Path
    origin: Path
    github: GitHub
    parts: Parts
    environments: Mapping[str, Environment]
    variables: Mapping[str, str]
    tokens: set[tuple[str, str, str]]
    backend: Mapping[str, str]
    machine: Mapping[str, str]
    venv: Path | None = field(default=None, init=False)
    jobs: int = field(default=0, init=False)

    def walk(self, workflow: str, event: Event) -> dict[str, list[Job]]:
        """Runs a workflow of the commit that the event checks out; each job by its key, once a matrix cell."""
        show = ("git", "-C", str(self.origin), "show", f"{event.ref}:.github/workflows/{workflow}")
        text = subprocess.run(show, capture_output=True, text=True, check=True).stdout
        # YAML 1.1 reads the key `on` as true.
        parsed = yaml.safe_load(text)
        triggers = parsed[True]
        assert event.name in triggers
        done: dict[str, list[Job]] = {}
        for key, job in parsed["jobs"].items():
            assert set(job) <= _JOB, set(job) - _JOB
            done[key] = self._job(job, parsed, event, done)
        return done

    def _job(
        self, job: Mapping[str, Any], workflow: Mapping[str, Any], event: Event, done: Mapping[str, list[Job]]
    ) -> list[Job]:
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        results = {name: _result(done[name]) for name in needs}
        context = {
            "github": self._github(event),
            "vars": self.variables,
            "inputs": event.payload.get("inputs", {}),
            "needs": {
                name: {"result": results[name], "outputs": done[name][0].outputs if done[name] else {}}
                for name in needs
            },
        }
        functions: dict[str, Callable[..., Any]] = {
            "always": lambda: True,
            "success": lambda: all(result == SUCCESS for result in results.values()),
            "fromJSON": json.loads,
        }
        if not _holds(job.get("if", ""), context, functions):
            return []
        matrix = job.get("strategy", {}).get("matrix", {})
        assert len(matrix) <= 1
        cells: list[dict[str, Any]] = [{}]
        for name, values in matrix.items():
            listed = fill(values, context, functions) if isinstance(values, str) else values
            cells = [{name: value} for value in listed]
        rights = {**workflow["permissions"], **job.get("permissions", {})}
        return [self._cell(job, rights, {**context, "matrix": cell}) for cell in cells]

    def _github(self, event: Event) -> dict[str, Any]:
        # Whatever a job reads of an event that has no such thing is empty.
        payload = {"before": "", "number": "", "pull_request": {}, **event.payload}
        server = self.origin.as_uri().removesuffix(f"/{REPOSITORY}")
        return {
            "repository": REPOSITORY,
            "server_url": server,
            "event_name": event.name,
            "ref": event.ref,
            "event": payload,
        }

    def _cell(self, job: Mapping[str, Any], rights: Mapping[str, str], context: dict[str, Any]) -> Job:
        self.jobs += 1
        place = self.folder / f"job-{self.jobs}"
        workspace = place / "workspace"
        workspace.mkdir(parents=True)
        own = self.environments[fill(job["environment"], context, {})] if "environment" in job else None
        context = {
            **context,
            "github": {
                **context["github"],
                "workspace": str(workspace),
                "token": OF_A_JOB if rights.get("pull-requests") == "write" else "one that may not write",
            },
            "vars": {**self.variables, **(own.variables if own else {})},
            "secrets": dict(own.secrets) if own else {},
            "steps": {},
        }
        running = _Running(self, place, workspace, rights, context)
        for step in job["steps"]:
            assert set(step) <= _STEP, set(step) - _STEP
            running.take(step)
        outputs = {name: shown(fill(text, context, {})) for name, text in job.get("outputs", {}).items()}
        result = FAILURE if running.failed else SUCCESS
        return Job(result=result, folder=workspace, steps=running.steps, outputs=outputs)


class _Running:
    """One job while it runs."""

    def __init__(
        self, runner: Runner, place: Path, workspace: Path, rights: Mapping[str, str], context: dict[str, Any]
    ) -> None:
        self._runner, self._place, self._workspace, self._rights = runner, place, workspace, rights
        self._context = context
        self.steps: list[Step] = []
        self.failed = False
        self._path = ["/usr/local/bin", "/usr/bin", "/bin"]
        self._environment = {
            "HOME": str(Path.home()),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": runner.github.address,
            "GITHUB_GRAPHQL_URL": f"{runner.github.address}/graphql",
            **runner.machine,
        }
        self._functions: Mapping[str, Callable[..., Any]] = {
            "always": lambda: True,
            "success": lambda: not self.failed,
            # Of one file, which is all that we ask: whether it is there.
            "hashFiles": lambda name: "5f3e" if (workspace / name).is_file() else "",
        }

    def take(self, step: Mapping[str, Any]) -> None:
        name = step.get("name") or step.get("id") or step.get("uses", "").partition("@")[0] or step["run"]
        done = Step(name=name, outcome=SKIPPED, conclusion=SKIPPED)
        if _holds(step.get("if", ""), self._context, self._functions):
            if "uses" in step:
                self._use(step)
                done.outcome = SUCCESS
            else:
                self._run(step, done)
            done.conclusion = SUCCESS if step.get("continue-on-error") else done.outcome
            self.failed |= done.conclusion == FAILURE
        self.steps.append(done)
        if "id" in step:
            self._context["steps"][step["id"]] = {"outcome": done.outcome, "outputs": done.outputs}

    def _run(self, step: Mapping[str, Any], done: Step) -> None:
        script, output = self._place / "script.sh", self._place / "output"
        script.write_text(self._filled(step["run"]))
        output.write_text("")
        own = {name: self._filled(value) for name, value in step.get("env", {}).items()}
        path = {"PATH": os.pathsep.join(self._path), "GITHUB_OUTPUT": str(output)}
        ran = subprocess.run(
            ("bash", "-e", str(script)),
            cwd=self._workspace,
            env={**self._environment, **path, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        done.code, done.log = ran.returncode, ran.stdout
        done.outcome = SUCCESS if ran.returncode == 0 else FAILURE
        done.outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        if "make venv" in step["run"] and ran.returncode == 0:
            self._runner.venv = self._runner.venv or self._workspace / ".venv"

    def _filled(self, text: Any) -> str:
        return shown(fill(str(text), self._context, self._functions))

    def _use(self, step: Mapping[str, Any]) -> None:
        given = {name: self._filled(value) for name, value in step.get("with", {}).items()}
        match step["uses"].partition("@")[0]:
            case "actions/checkout":
                self._check_out(given)
            case "actions/setup-python":
                self._path.insert(0, str(Path(sys.base_prefix) / "bin"))
            case "pulumi/actions":
                assert given == {"pulumi-version": PULUMI}
                self._path.insert(0, str(self._engine()))
            case "pulumi/auth-actions":
                # A token of the job's identity for one of the organization.
                assert self._rights["id-token"] == "write"
                kind = given["requested-token-type"].rpartition(":")[2]
                assert (given["organization"], kind, given.get("scope", "")) in self._runner.tokens
                self._environment |= self._runner.backend
            case other:
                raise AssertionError(f"{other} is not known here")

    def _check_out(self, given: Mapping[str, str]) -> None:
        assert set(given) <= {"ref", "path", "fetch-depth", "persist-credentials"}
        target = self._workspace / given.get("path", "")
        ref = given.get("ref") or self._context["github"]["ref"]
        every = ("+refs/heads/*:refs/remotes/origin/*",) if given.get("fetch-depth") == "0" else ()
        depth = () if every else ("--depth=1",)
        source = self._runner.origin.as_uri()
        for command in (
            ("init", "--quiet", str(target)),
            ("-C", str(target), "fetch", "--quiet", *depth, source, ref, *every),
            ("-C", str(target), "checkout", "--quiet", "--detach", "FETCH_HEAD"),
        ):
            subprocess.run(("git", *command), check=True, capture_output=True)
        if self._runner.venv is not None:
            # Made by `make venv` in the first clone, which takes a minute; here it finds nothing to do.
            (target / ".venv").symlink_to(self._runner.venv)
            os.utime(target / "requirements.txt", (0, 0))

    def _engine(self) -> Path:
        programs = self._place / "pulumi"
        programs.mkdir()
        for program in self._runner.parts.pulumi.iterdir():
            (programs / program.name).symlink_to(program)
        host = programs / "pulumi-language-python"
        host.unlink()
        host.write_text(_HOST.format(host=self._runner.parts.pulumi / host.name))
        host.chmod(0o755)
        return programs


def _holds(condition: str, context: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> bool:
    text = condition.strip().removeprefix("${{").removesuffix("}}")
    if not asks_for_status(text) and not functions["success"]():
        return False
    return not text or bool(evaluate(text, context, functions))


def _result(jobs: Sequence[Job]) -> str:
    if not jobs:
        return SKIPPED
    return FAILURE if any(job.result == FAILURE for job in jobs) else SUCCESS
