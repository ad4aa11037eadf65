"""A Pulumi stack run by the real engine with the plugins under test."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.providers import install
from trellis.development.bring import bring
from trellis.operations.processes import MARKS


def engine_path() -> str:
    """A PATH on which the Pulumi engine, its language host and this Python are found."""
    return os.pathsep.join((str(Path(sys.executable).parent), str(bring(droplets=False).pulumi), os.environ["PATH"]))


@dataclass
class Stack:
    """A stack of its own in a folder, with a file backend and the plugins installed beside it.

    folder: an empty folder. config: stack configuration, for example {"digitalocean:apiEndpoint": "http://…"}.
    secrets: the part of the configuration that is encrypted.
    official: a plugins folder; the official plugins in it are used instead of the bundled ones.
    """

    folder: Path
    config: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    official: Path | None = None

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        install.install(self.home, self.official)
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text("name: project\nruntime: python\n")
        self.environment = {
            MARKS: os.environ[MARKS],
            "PATH": engine_path(),
            "HOME": str(self.home),
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "passphrase",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.program("")
        self.run("stack", "init", "stack")
        for key, value in self.config.items():
            self.run("config", "set", key, value)
        for key, value in self.secrets.items():
            self.run("config", "set", "--secret", key, value)

    def program(self, text: str) -> None:
        """Sets the program. It ends sooner without garbage collection, as trellis.startup tells."""
        (self.folder / "__main__.py").write_text(f"import gc\n\ngc.disable()\n{text}")

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Runs pulumi; gives its output back. It must succeed, or fail where that is asked for."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, text
        return text

    def up(self, *arguments: str) -> str:
        """Deploys."""
        return self.run("up", "--yes", "--skip-preview", *arguments)

    def unchanged(self) -> str:
        """Previews; any change fails."""
        return self.run("preview", "--expect-no-changes", "--diff")

    def refresh(self) -> str:
        """Reads what is there into the state."""
        return self.run("refresh", "--yes", "--skip-preview")

    def destroy(self) -> str:
        """Deletes everything."""
        return self.run("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets opened."""
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets"))
        return found

    def resources(self, *, secrets: bool = False) -> dict[str, dict[str, Any]]:
        """The resources in the state by name."""
        exported = json.loads(self.run("stack", "export", *(["--show-secrets"] if secrets else [])))
        found = exported["deployment"].get("resources", [])
        return {resource["urn"].split("::")[-1]: resource for resource in found}
