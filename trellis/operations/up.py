"""`pulumi up` with what belongs around it: what a killed run left open first, and the fallback after a failure."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from trellis.operations.deployment import deploy
from trellis.operations.engine import Engine
from trellis.operations.recover import recover
from trellis.operations.terminal import tell

MANAGED_CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
SELF_HOSTED = "self-hosted"


def run(options: Namespace) -> int:
    """The subcommand `up`; returns pulumi's exit code."""
    recover(options.stack, options.config_file)
    engine = Engine(options.stack, options.config_file)
    code, failed = _deploy(options)
    if code == 0 or not failed or engine.config("trellis:fallback") != SELF_HOSTED:
        return code
    # From here on the stack's data lie on the Droplet: a later run must not go back to a managed cluster by itself.
    engine.set_config("trellis:mode", SELF_HOSTED)
    tell(
        f"warning: DigitalOcean did not make the managed cluster {', '.join(failed)}; the reason stands above. "
        "trellis:fallback is self-hosted, so the run goes on with a Droplet. "
        f"trellis:mode of the stack {options.stack} is self-hosted from now on."
    )
    return _deploy(options)[0]


def _deploy(options: Namespace) -> tuple[int, list[str]]:
    """pulumi's exit code, and the managed PostgreSQL clusters that could not be created."""
    color = "always" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "never"
    config = ["--config-file", str(options.config_file)] if options.config_file else []
    # A database whose migration fails must not hide what another one's says.
    how = ("--yes", "--skip-preview", "--continue-on-error", "--non-interactive", "--color", color)
    done = deploy("up", *how, "--stack", options.stack, *config, *options.pulumi)
    return done.code, [step["urn"].rpartition("::")[2] for step in done.failed if _is_new_cluster(step)]


def _is_new_cluster(step: Mapping[str, Any]) -> bool:
    # A cluster that exists holds data: a change of it that fails is no reason to leave it.
    engine = ((step.get("new") or {}).get("inputs") or {}).get("engine")
    return step["type"] == MANAGED_CLUSTER and step["op"] == "create" and engine == "pg"
