"""A preview without changes: this program against an empty one and against a flat one with the same resources."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from bench.timing import compare
from tests.stacks.harness import local_stack
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.progress import Failure, step

BENCH = Path(__file__).resolve().parent


def run(parts: Parts) -> None:
    """Deploys all three once, then times their previews in turn."""
    with local_stack(parts) as villa, tempfile.TemporaryDirectory() as folder:
        with step("Villa, deployed to be previewed"):
            villa.up()
        program = {
            name: _program(name, villa.workspace.api, villa.stack.environment, Path(folder))
            for name in ("flat", "empty")
        }
        for name, command in program.items():
            with step(f"The program {name}, deployed to be previewed"):
                command("stack", "select", "--create")()
                command("up", "--yes", "--skip-preview")()

        def ours() -> None:
            villa.must("preview", "--expect-no-changes")

        for name, text in (("empty", "an empty program"), ("flat", "a flat program with the same resources")):
            other = program[name]("preview", "--expect-no-changes")
            compare("no-change preview of dev", ours, other, against=text)
        program["flat"]("destroy", "--yes", "--skip-preview")()
        villa.must("destroy", "--yes", "--skip-preview")


def _program(name: str, api: str, environment: dict[str, str], folder: Path) -> Callable[..., Callable[[], None]]:
    config = folder / f"Pulumi.{name}.yaml"
    values = {"digitalocean:apiEndpoint": api, "cloudflare:baseUrl": f"{api}/client/v4"}
    salt = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["encryptionsalt"]
    config.write_text(yaml.safe_dump({"config": values if name == "flat" else {}, "encryptionsalt": salt}))

    def command(*arguments: str) -> Callable[[], None]:
        options = ["--stack", name, "--non-interactive", "--config-file", str(config)]
        if arguments[0] == "stack":
            options = options[:3]

        def call() -> None:
            done = subprocess.run(
                ["pulumi", *arguments, *options],
                cwd=BENCH / name,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise Failure(f"the program {name}: {done.stdout}{done.stderr}")

        return call

    return command
