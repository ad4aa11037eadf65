"""A stack on the local cloud, from nothing to a migrated database and back: `make up`, `preview` and `down`."""

import json
import os
import re
import shlex
import socket
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import chdir, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localcloud import daemon, files
from trellis import connect
from trellis.development import plugins
from trellis.development.bring import Parts, bring, bring_postgresql, describe
from trellis.development.clean import clean
from trellis.development.progress import Failure, bold, step
from trellis.development.workspace import DEFAULT_PORT, Workspace, project
from trellis.operations import processes, up
from trellis.operations.deployment import deploy
from trellis.operations.preview_report import judge
from trellis.settings import SettingsError, stack_file
from trellis.settings.source import read

_POLICIES = ("--policy-pack", str(judge.pack(None)))


class Stack:
    """One stack on the local cloud. Every method runs the real engine and raises Failure when it fails."""

    def __init__(self, workspace: Workspace, name: str, config_file: Path | None, root: Path) -> None:
        self.workspace = workspace
        self.root = root
        self.name = name
        self._config_file = config_file
        self._config = [] if config_file is None else ["--config-file", str(config_file)]

    @property
    def environment(self) -> dict[str, str]:
        """For the engine and the local cloud, whose token is there after its first start."""
        return {**os.environ, **self.workspace.variables()}

    def prepare(self) -> None:
        """Makes the folders, the plugins' entries and the stack, where they are missing, and cleans up after a kill."""
        workspace = self.workspace
        workspace.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        workspace.backend.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and workspace.cloud_state.parent == workspace.folder:
            # The servers' account passes through here to its own folder; it cannot list this one.
            workspace.folder.chmod(0o711)
        plugins.prepare(workspace)
        if not self._is_made():
            self.pulumi("stack", "select", "--create")
        self._release_lock()

    def is_ready(self) -> bool:
        """Whether the stack has been made and the local cloud runs."""
        return self._is_made() and daemon.find(self.workspace.cloud_state) is not None

    def start_cloud(self, zones: Sequence[str] = ()) -> None:
        """Starts the local cloud unless it runs."""
        running = daemon.find(self.workspace.cloud_state)
        if running is not None and running.port == self.workspace.port:
            print(f"The local cloud is already running at {running.url}.")
            return
        if running is None:
            self._claim_port()
        self.run("python", "-m", "localcloud", "start", *(f"--zone={zone}" for zone in zones), show=True)

    def stop_cloud(self) -> None:
        """Stops the local cloud and its servers. The data stays."""
        self.run("python", "-m", "localcloud", "stop", show=True)

    def up(self) -> Mapping[str, Any]:
        """`trellis up`, in this process, which is the stack's own meanwhile; the outputs, secrets masked."""
        before, pulumi = dict(os.environ), ("--suppress-outputs", *_POLICIES)
        os.environ.update(self.workspace.variables())
        try:
            with chdir(self.root):
                done = up.whole(Namespace(stack=self.name, config_file=self._config_file, may_delete=(), pulumi=pulumi))
        finally:
            os.environ.clear()
            os.environ.update(before)
        if done.code:
            raise Failure(f"`trellis up --stack {self.name}` failed with exit code {done.code}")
        return done.outputs

    def preview(self, *options: str) -> None:
        """Shows what `up` would do, the pending migrations by name, and what policies say of it."""
        self._deploy("preview", "--diff", "--suppress-outputs", *_POLICIES, *self._config, *options)

    def destroy(self) -> None:
        """Destroys everything the stack made."""
        # Its preview refuses as a whole where something is protected.
        self._deploy("destroy", "--yes", "--suppress-outputs", *self._config)

    def deployed(self) -> dict[str, int]:
        """Every stack of the workspace and how many resources it has."""
        stacks = json.loads(self.run("pulumi", "stack", "ls", "--json", "--non-interactive"))
        return {stack["name"]: stack.get("resourceCount") or 0 for stack in stacks}

    def pulumi(self, *arguments: str) -> str:
        """Runs one pulumi command on this stack; its output."""
        return self.run("pulumi", *arguments, "--stack", self.name, "--non-interactive", "--color", "never")

    def run(self, *command: str, show: bool = False) -> str:
        """Runs a command in the program's folder with the workspace's environment; its output, unless it is shown."""
        done = processes.run(command, cwd=self.root, env=self.environment, capture=not show)
        if done.returncode:
            reason = "" if show else f":\n{(done.stdout + done.stderr).strip()}"
            raise Failure(f"`{shlex.join(command)}` failed with exit code {done.returncode}{reason}")
        return done.stdout

    def _is_made(self) -> bool:
        return any((self.workspace.backend / ".pulumi" / "stacks").glob(f"*/{self.name}.json"))

    def _claim_port(self) -> None:
        try:
            socket.create_server(("127.0.0.1", self.workspace.port)).close()
        except OSError as error:
            raise Failure(
                f"the local cloud cannot have port {self.workspace.port}: {os.strerror(error.errno or 0)}. Choose "
                f"another one in Pulumi.{self.name}.yaml, in digitalocean:apiEndpoint and in cloudflare:baseUrl."
            ) from None

    def _deploy(self, command: str, *options: str) -> None:
        color = "always" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else "never"
        own = ("--stack", self.name, "--non-interactive", "--color", color)
        done = deploy(command, *own, *options, cwd=self.root, env=self.environment)
        if done.code:
            raise Failure(f"`pulumi {command}` failed with exit code {done.code}")

    def _release_lock(self) -> None:
        """Drops the lock of a run that was killed on this machine. A run that lives keeps its lock."""
        for lock in (self.workspace.backend / ".pulumi" / "locks").rglob("*.json"):
            if lock.parent.name == self.name and not _alive(int(json.loads(lock.read_text())["pid"])):
                lock.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return "pulumi" in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


def _config(stack: str, root: Path) -> tuple[Path, dict[str, Any]]:
    """A stack's config file and what is in it. Raises Failure."""
    file = root / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))
        raise Failure(f"there is no stack {stack!r}: no file {file.name}. Known: {', '.join(known)}.")
    try:
        return file, dict(stack_file(file))
    except SettingsError as error:
        raise Failure(str(error)) from None


def _workspace(stack: str, root: Path) -> Workspace:
    file, config = _config(stack, root)
    if "digitalocean:apiEndpoint" not in config:
        raise Failure(
            f"{file.name} has no digitalocean:apiEndpoint, so the stack {stack!r} is not on the local cloud. "
            f"Deploy it with `pulumi up --stack {stack}`; README.md names the credentials."
        )
    port = _port(config["digitalocean:apiEndpoint"], file.name)
    if os.geteuid() != 0 and _starts_droplets(config, root):
        raise Failure(
            f"the stack {stack!r} has Droplets. On the local cloud they are machines in Linux namespaces, which only "
            "root can start. Run the same command as root, or take another stack."
        )
    parts = _parts(config, root)
    return Workspace(folder=root / ".trellis", port=port, parts=parts, python=Path(sys.executable))


def _port(endpoint: Any, file: str) -> int:
    """The local cloud's port. Raises Failure for an address that cannot be its own."""
    with suppress(ValueError):
        address = urlsplit(str(endpoint))
        if address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost") and address.port:
            return address.port
    raise Failure(
        f"{file}, digitalocean:apiEndpoint: {endpoint!r} is no address of a local cloud. Allowed: "
        f"http://127.0.0.1:<port>, for example http://127.0.0.1:{DEFAULT_PORT}."
    )


def zones(root: Path) -> list[str]:
    """The DNS zones that systems and stacks name. At Cloudflare they exist before a program runs, so here too."""
    systems = (_contents(path).get("dns") for path in (root / "systems").glob("*.yaml"))
    stacks = (_contents(path).get("config") for path in root.glob("Pulumi.*.yaml"))
    named = [(system, "zone") for system in systems] + [(stack, "trellis:dnsZone") for stack in stacks]
    found = [part.get(key) for part, key in named if isinstance(part, dict)]
    return sorted({zone for zone in found if isinstance(zone, str) and zone})


def _contents(file: Path) -> Mapping[str, Any]:
    # What is wrong in a file is told by the program of its own stack, and is no other one's business.
    with suppress(SettingsError):
        return dict(read(file, name=file.name).data)
    return {}


def _starts_droplets(config: Mapping[str, Any], root: Path) -> bool:
    """Whether a stack with this config deploys a Droplet, or may do so when its cluster is refused."""
    modes = {config.get("trellis:mode"), config.get("trellis:fallback")}
    return "self-hosted" in modes or bool(re.search(r"^droplets:", _system(config, root), re.MULTILINE))


def _system(config: Mapping[str, Any], root: Path) -> str:
    # Read as text: what is wrong in a system file is the program's to say.
    file = root / "systems" / f"{config.get('trellis:system')}.yaml"
    return file.read_text(errors="replace") if file.is_file() else ""


def _parts(config: Mapping[str, Any], root: Path) -> Parts:
    text = _system(config, root)
    return bring(_versions(text), droplets=bool(re.search(r"^ *(droplets|self_hosted):", text, re.MULTILINE)))


def _versions(system: str) -> set[str]:
    """PostgreSQL's major versions that a system file names."""
    return set(re.findall(r"^ *version: *[\"']?(\d+)", system, re.MULTILINE))


def _prepare(stack: Stack) -> None:
    with step("Local cloud"):
        stack.start_cloud(zones(stack.root))
    with step("Pulumi's plugins and stack"):
        plugins.choose(stack.workspace)
        stack.prepare()


def _up(stack: Stack) -> None:
    _prepare(stack)
    started = datetime.now(UTC)
    with step(f"pulumi up, stack {stack.name}"):
        outputs = stack.up()
    _write_environment(stack)
    await_servers(stack.workspace.cloud_state)
    _tell(stack, outputs, started)


def await_servers(cloud_state: Path, patience: float = 30.0) -> None:
    """Returns when every server of the local cloud runs; one that ended has `patience` seconds. Raises Failure."""
    try:
        down = daemon.failures(cloud_state, patience)
    except OSError as error:
        raise Failure(f"the stack is deployed, but its local cloud does not answer: {error}") from None
    if down:
        raise Failure(
            "the stack is deployed, but not all servers of the local cloud run; "
            "see `. .trellis/env && python -m localcloud status`.\n"
            + "\n".join(f"  {name}: {reason}" for name, reason in down.items())
        )


def schema(report: Mapping[str, Any], since: datetime) -> list[str]:
    """What to say of a database's schema. report: of the last run that had something to do; since: this run's start."""
    # Both clocks are this machine's.
    applied = report["applied"] if datetime.fromisoformat(report["restore_time"]) >= since else []
    said = f"{len(applied)} migration{'s' if len(applied) != 1 else ''} applied" if applied else "nothing to apply"
    return [f"schema at version {report['current_version']}, {said}", *(f"  {one['script']}" for one in applied)]


def _tell(stack: Stack, outputs: Mapping[str, Any], started: datetime) -> None:
    print(f"\n{bold('What there is')}")
    if suffix := outputs.get("name_suffix"):
        print(f"  in the account every name ends in -{suffix}")
    for cluster, plan in outputs["plans"].items():
        budget = outputs["connection_budgets"][cluster]
        pools = ", ".join(f"pool {name} {size}" for name, size in budget["pools"].items())
        print(f"  {cluster}: {plan}, {budget['limit']} connections ({pools}, {budget['headroom']} kept free)")
        for database, report in outputs["migrations"][cluster].items():
            first, *names = schema(report, started)
            print("\n    ".join((f"  {cluster}, database {database}: {first}", *names)))
    for app, url in outputs["app_urls"].items():
        print(f"  {app}: {url} (its spec is deployed; the local cloud runs no containers)")
    print(f"  all of it: ${outputs['monthly_cost_usd']:g} a month on DigitalOcean, $0 here")
    print(f"\n{bold('Try next')}")
    files = stack.workspace.connect / stack.name
    service, *_ = connect.services(files)
    print(f"  PGSERVICEFILE={files.relative_to(stack.root)}/pg_service.conf .venv/bin/psql service={service} -c '\\dt'")
    options = "" if stack.name == "dev" else f" STACK={stack.name}"
    print(f"  make preview{options}")
    phases = ["launch", "growth", "scale"]
    now = phases.index(outputs["phase"])
    if now + 1 < len(phases):
        grow = f"s/trellis:phase: {phases[now]}/trellis:phase: {phases[now + 1]}/"
        print(f"  sed -i '{grow}' Pulumi.{stack.name}.yaml && make up{options}")
    else:
        print("  . .trellis/env && python -m localcloud status")


def _write_environment(stack: Stack) -> None:
    # Pulumi's name for the stack that its commands are about.
    variables = {**stack.workspace.variables(), "PULUMI_STACK": stack.name}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    # It holds the local cloud's token.
    files.replace(
        stack.workspace.folder / "env",
        "# `. .trellis/env` lets you type pulumi and localcloud commands yourself.\n" + "\n".join(lines) + "\n",
    )


def _down(stack: Stack) -> None:
    if (stack.workspace.backend / ".pulumi" / "stacks").exists():
        with step("Local cloud"):
            stack.start_cloud(zones(stack.root))
        with step(f"pulumi destroy, stack {stack.name}"):
            stack.prepare()
            stack.destroy()
        left = [name for name, resources in stack.deployed().items() if resources]
        if left:
            print(f"The local cloud goes on for {', '.join(left)}.")
            return
    stack.stop_cloud()


def run(options: Namespace) -> int:
    """The subcommand `dev`; exit code 0, or a Failure."""
    match options.action:
        case "parts":
            for name, version, origin, place in describe(bring()):
                print(f"{name:<15}{version:<16}{origin:<25}{place}")
            return 0
        case "clean":
            return clean(project())
    root = project()
    if options.action == "postgresql":
        _, config = _config(options.stack, root)
        print(bring_postgresql(_versions(_system(config, root))))
        return 0
    stack = Stack(_workspace(options.stack, root), options.stack, None, root)
    match options.action:
        case "plugins":
            if options.kind:
                plugins.switch(stack.workspace, options.kind)
            for plugin in plugins.prepare(stack.workspace):
                print(f"{plugin.name:<15}{plugin.version:<16}{plugin.action.value:<25}{plugin.path}")
        case "up":
            _up(stack)
        case "preview":
            if not stack.is_ready():
                _prepare(stack)
            stack.preview()
        case "down":
            _down(stack)
    return 0
