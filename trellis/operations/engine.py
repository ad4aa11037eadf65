"""Runs the pulumi command for one stack."""

import json
import os
import shutil
import stat
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

from trellis.operations.deployment import NOT_INSTALLED
from trellis.operations.errors import OperationError
from trellis.operations.processes import run
from trellis.operations.project import project
from trellis.policies.kinds import MASKED, PHASE, STACK
from trellis.writing import replace

UNREAD = "It was taken into the state, and has not been read yet."


@dataclass(frozen=True)
class Deployed:
    """What a stack has, secrets in plain text. It goes nowhere but into the caller's memory."""

    resources: Sequence[Mapping[str, Any]] = field(repr=False)

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; none before its first deployment."""
        root = next((one for one in self.resources if one["type"] == STACK), {})
        return dict(root.get("outputs") or {})


@cache
def engine_of(stack: str, config_file: Path | None) -> "Engine":
    """The engine of a stack: one a process, for each question to the program pulumi takes it half a second."""
    return Engine(stack, config_file)


class Engine:
    """The pulumi program on PATH, for one stack of the project in the current folder."""

    def __init__(self, stack: str, config_file: Path | None) -> None:
        self._name = stack
        self._stack = ["--stack", stack, "--non-interactive", "--color", "never"]
        self._file = config_file
        self._config_file = ["--config-file", str(config_file)] if config_file else []
        self._entries: Mapping[str, Mapping[str, Any]] = {}
        self._read: tuple[int, int] | None = None

    def state(self, *, secrets: bool = False) -> dict[str, Any]:
        """The stack's deployment, its secrets encrypted, or shown."""
        options = ("--show-secrets",) if secrets else ()
        return dict(json.loads(self._run("stack", "export", *options))["deployment"])

    def deployed(self) -> Deployed:
        """The stack's resources and outputs as they are now."""
        return Deployed(_plain(self.state(secrets=True).get("resources") or []))

    def set_config(self, key: str, value: str) -> None:
        """Writes one plain value into the stack's config file."""
        self._configure("set", key, value)

    def set_object(self, key: str, value: Mapping[str, Any]) -> None:
        """Writes a plain mapping into the stack's config file, in one step."""
        written = {key: {"value": json.dumps(value), "objectValue": value, "secret": False}}
        self._configure("set-all", "--json", json.dumps(written))

    def is_secret(self, key: str) -> bool:
        """Whether the stack's config keeps this value encrypted."""
        return bool(self._config().get(key, {}).get("secret"))

    def forget(self, key: str) -> None:
        """Takes a key, or a path into one, out of the stack's config file."""
        self._configure("rm", "--path", key)

    def unprotect(self, names: Collection[str]) -> None:
        """Lets resources of these names be deleted."""
        for resource in self.state().get("resources") or ():
            if resource.get("protect") and resource["urn"].rpartition("::")[2] in names:
                self._run("state", "unprotect", resource["urn"], "--yes")

    def configuration(self) -> dict[str, str]:
        """The stack's config, the project's defaults included: every key with its namespace, every value as text.

        Secrets are shown; they go nowhere but into the caller's memory.
        """
        return {key: str(entry["value"]) for key, entry in self._config().items() if entry.get("value") is not None}

    def preview(self, *options: str) -> tuple[int, str, str]:
        """A preview as the engine's events, a JSON object a line: exit code, stdout, stderr. Secrets are masked.

        Policy packs run with this process's Python, whatever is first on PATH.
        """
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        done = _pulumi(
            ("preview", "--json", *options, *self._stack, *self._config_file),
            env={**os.environ, "PATH": path, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "1"},
        )
        return done.returncode, done.stdout, done.stderr

    def adopt(self, found: Mapping[str, str], failed: Iterable[Mapping[str, Any]] = ()) -> None:
        """Takes resources that exist into the state, URN -> id, and drops every open create.

        failed: resources whose create is not open any more. A found resource gets the inputs that its create was asked
        with, and a mark that it has to be read: `refresh` does, and takes the mark away.
        """
        exported = json.loads(self._run("stack", "export"))
        deployment = exported["deployment"]
        # An import drops them by itself; so this is one step.
        pending = deployment.pop("pending_operations", None) or []
        creates = {made["urn"]: made for made in (*failed, *(operation["resource"] for operation in pending))}
        for urn, identifier in found.items():
            made = {**creates[urn], "id": identifier, "custom": True, "outputs": creates[urn]["inputs"]}
            _place(deployment["resources"], {**made, "initErrors": [UNREAD]})
        self._run("stack", "import", input_text=json.dumps(exported))

    def record_mode(self, mode: str) -> None:
        """Makes the state say that the stack is in this mode. For a stack that holds no data."""
        exported = json.loads(self._run("stack", "export"))
        for resource in exported["deployment"].get("resources") or ():
            if resource["type"] == PHASE:
                for facts in (resource["inputs"], resource["outputs"]):
                    facts["mode"] = mode
        self._run("stack", "import", input_text=json.dumps(exported))

    def refresh(self, urns: Iterable[str]) -> None:
        """Reads these resources anew."""
        targets = [f"--target={urn}" for urn in urns]
        self._run("refresh", "--yes", "--skip-preview", *targets, *self._config_file)

    def _config(self) -> Mapping[str, Mapping[str, Any]]:
        """Asked again where the file is another one than before: another process, or a person, may have changed it."""
        now = self._stamp()
        if now is None or now != self._read:
            self._entries = dict(json.loads(self._run("config", "--json", "--show-secrets", *self._config_file)))
            self._read = now
        return self._entries

    def _stamp(self) -> tuple[int, int] | None:
        """Tells the config file from one that it was before; None where it is not found."""
        try:
            found = self._path().stat()
        except (OSError, OperationError):
            return None
        return found.st_ino, found.st_mtime_ns

    def _path(self) -> Path:
        return (self._file or project() / f"Pulumi.{self._name.rpartition('/')[2]}.yaml").resolve()

    def _configure(self, *arguments: str) -> None:
        """Changes the stack's config file in one move. Pulumi writes it in place, and a kill would leave it empty."""
        file = self._path()
        if not file.is_file():
            self._run("config", *arguments, *self._config_file)
            return
        with TemporaryDirectory(prefix="trellis-") as folder:
            copy = Path(shutil.copy(file, folder))
            self._run("config", *arguments, "--config-file", str(copy))
            replace(file, copy.read_text(), stat.S_IMODE(copy.stat().st_mode))

    def _run(self, *arguments: str, input_text: str | None = None) -> str:
        done = _pulumi((*arguments, *self._stack), input_text=input_text)
        if done.returncode:
            raise self._failure(arguments, done)
        return done.stdout

    def _failure(self, arguments: tuple[str, ...], done: "CompletedProcess[str]") -> OperationError:
        # What was printed before a failure may hold the secrets that were asked for.
        said = done.stderr if "--show-secrets" in arguments else done.stdout + done.stderr
        if "no stack named" in said:
            return OperationError(
                f"There is no stack {self._name!r} in this backend; `pulumi stack ls` lists those there are. In a"
                " checkout, `make up` makes the stack dev and `. .trellis/env` leads pulumi to it."
            )
        if "no Pulumi.yaml project file found" in said:
            return OperationError("Neither this folder nor one above it holds a Pulumi.yaml. Change to the checkout.")
        return OperationError(f"`pulumi {' '.join(arguments)}` failed:\n{said.strip()}")


def resource(resources: Iterable[Mapping[str, Any]], kind: str, name: str) -> Mapping[str, Any] | None:
    """The resource of a state with this type and the program's name for it; None without one that stays."""
    named = (one for one in resources if one["type"] == kind and one["urn"].endswith(f"::{name}"))
    return next((one for one in named if not one.get("delete")), None)


def _plain(value: Any) -> Any:
    """A value of a state whose secrets are shown, without their marks."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if MASKED in value and "plaintext" in value:
        return _plain(json.loads(value["plaintext"]))
    return {key: _plain(one) for key, one in value.items()}


def _place(resources: list[dict[str, Any]], made: dict[str, Any]) -> None:
    """Puts a resource where it belongs in a state: at the end, or before the one that it replaces."""
    for at, old in enumerate(resources):
        if old["urn"] == made["urn"] and not old.get("delete"):
            if old.get("pendingReplacement"):
                resources[at] = made
            elif old.get("id") != made["id"]:
                resources[at : at + 1] = [made, {**old, "delete": True}]
            return
    resources.append(made)


def _pulumi(
    arguments: tuple[str, ...], *, env: Mapping[str, str] | None = None, input_text: str | None = None
) -> "CompletedProcess[str]":
    try:
        return run(("pulumi", *arguments), env=env, capture=True, input_text=input_text)
    except FileNotFoundError as error:
        raise OperationError(NOT_INSTALLED) from error
