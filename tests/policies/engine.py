"""Small programs with the real engine, the bundled plugins and the pack. No cloud runs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import ROOT
from trellis.development import plugins
from trellis.development.bring import Parts
from trellis.development.workspace import Workspace

EXECUTABLE = ROOT / "policies" / "__main__.py"
STACKS = Path(__file__).resolve().parent / "stacks"
# No API listens here, and a preview of what is to be made asks none. It is not this machine, whose stacks are spared.
NOWHERE = "http://192.0.2.1"


@dataclass(frozen=True, kw_only=True)
class Previewed:
    """How a preview ended. findings: what policies said, as the engine's events carry it.

    text: what they said and what went wrong, for the message of a failed test.
    """

    code: int
    findings: list[dict[str, Any]]
    text: str

    def broken(self, level: str = "mandatory") -> set[str]:
        """The policies with a finding of that level."""
        return {finding["policyName"] for finding in self.findings if finding["enforcementLevel"] == level}


class Previews:
    """A backend with one stack that nothing is ever deployed to, so that previews can run beside each other."""

    def __init__(self, folder: Path, parts: Parts, stack: str = "prod") -> None:
        self._stack = stack
        self._folder = folder
        self._config = folder / f"Pulumi.{stack}.yaml"
        workspace = Workspace(folder=folder, port=0, parts=parts, python=Path(sys.executable))
        workspace.backend.mkdir()
        self.environment = {
            **os.environ,
            **workspace.variables(),
            "PYTHONPATH": str(ROOT),
            "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "1",
            "SPACES_ACCESS_KEY_ID": "local",
            "SPACES_SECRET_ACCESS_KEY": "local",
        }
        plugins.prepare(workspace)
        (folder / "Pulumi.yaml").write_text((STACKS / "Pulumi.yaml").read_text())
        init = ("pulumi", "stack", "init", "--stack", stack, "--non-interactive")
        subprocess.run(init, cwd=folder, env=self.environment, check=True, capture_output=True)
        with self._config.open("a") as config:
            config.write(f"config:\n  digitalocean:apiEndpoint: {NOWHERE}\n")

    def preview(
        self,
        program: str,
        *,
        project: Path = STACKS,
        pack: Path = EXECUTABLE,
        settings: Mapping[str, Any] | None = None,
    ) -> Previewed:
        """Previews one program with the pack. settings: the pack's config; by default the phase is scale."""
        config = self._folder / f"{program}.json"
        config.write_text(json.dumps({"stack": {"phase": "scale"}} if settings is None else settings))
        options = ("--policy-pack", str(pack), "--policy-pack-config", str(config))
        done = self.pulumi("preview", "--json", *options, project=project, PROGRAM=program)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        findings = [event["policyEvent"] for event in events if "policyEvent" in event]
        said = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
        errors = [one["message"] for one in said if one["severity"] == "error"]
        messages = [f"{finding['policyName']}: {finding['message']}" for finding in findings]
        return Previewed(code=done.returncode, findings=findings, text="\n".join([*messages, *errors, done.stderr]))

    def pulumi(
        self, command: str, *options: str, project: Path = STACKS, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one command on the stack; keywords are environment variables. A failure is a result."""
        named = ("--stack", self._stack, "--config-file", str(self._config), "--non-interactive")
        return subprocess.run(
            ["pulumi", command, *named, *options],
            cwd=project,
            env={**self.environment, **environment},
            check=False,
            capture_output=True,
            text=True,
        )
