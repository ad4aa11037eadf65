"""The command on a stack: the real engine, the local cloud, one deployment for all of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.conftest import Finished
from tests.stacks.harness import LocalStack, local_stack, open_folder, program_copy
from trellis.development.bring import bring


class Command:
    """The command in the checkout, with the stack's environment."""

    def __init__(self, stack: LocalStack, temporary: Path) -> None:
        self.stack = stack
        self.temporary = temporary

    def __call__(self, *arguments: str, **environment: str) -> Finished:
        done = subprocess.run(
            [sys.executable, "-m", "trellis", *arguments],
            cwd=self.stack.root,
            env={**self.stack.stack.environment, "TMPDIR": str(self.temporary), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def here(self, name: str, *arguments: str) -> Finished:
        """A command that reads the stack's config."""
        return self(name, *arguments, "--config-file", str(self.stack.config_file))


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """The command, on a stack that nobody has deployed yet."""
    # The account that a throw-away server runs as must pass through the folder for temporary files.
    with program_copy() as program, local_stack(bring(), root=program) as stack, open_folder() as temporary:
        yield Command(stack, temporary)


def test_a_stack_from_before_its_deployment_to_a_cloud_that_is_gone(command: Command) -> None:
    early = command.here("info")
    assert early.code == 1
    assert "The stack 'dev' has no database villa-db/villa yet" in early.err
    assert "pulumi up --stack dev" in early.err
    reviewed = command.here("check", "--all", "--json")
    assert reviewed.code == 0, reviewed.err
    (database,) = json.loads(reviewed.out)["databases"]
    assert (database["database"], database["files"]) == ("villa-db/villa", 9)

    command.stack.up()
    migrations = command.here("info", "--json")
    assert migrations.code == 0, migrations.err
    (database,) = json.loads(migrations.out)["databases"]
    assert database["database"] == "villa-db/villa"
    assert database["pending"] == 0
    assert {one["state"] for one in database["migrations"]} == {"applied"}
    for name in ("villa", "villa-db/villa"):
        done = command.here("migrate", name)
        assert (done.code, done.out) == (0, "Nothing to apply; version 1.0.6 is current.\n"), done.err
    assert command.here("validate").out == "Files and history agree.\n"
    assert command.here("check").out == "Nothing is pending.\n"
    assert list(command.temporary.iterdir()) == []

    lost = command.here("reset", "--dry-run")
    assert lost.code == 0, lost.err
    assert "Everything in it would be deleted" in lost.out
    anew = command.here("reset", "--yes")
    assert (anew.code, anew.out) == (0, "Emptied; 9 migrations applied; version 1.0.6 is current.\n"), anew.err
    command.stack.configure(environment="production")
    assert "This stack is production" in command.here("reset", "--yes").err
    command.stack.configure(environment="development")

    unknown = command.here("info", "vila")
    assert unknown.code == 2
    assert "There is no database 'vila' in this stack. Known: villa-db/villa." in unknown.err
    nowhere = command("info", TRELLIS_STACK="nowhere")
    assert nowhere.code == 1
    assert "There is no stack 'nowhere' in this backend" in nowhere.err

    (cluster,) = command.stack.api("GET", "/v2/databases")["databases"]
    rules = [{"type": "ip_addr", "value": "10.0.0.0/16"}]
    command.stack.api("PUT", f"/v2/databases/{cluster['id']}/firewall", {"rules": rules})
    refused = command.here("info")
    assert refused.code == 1
    assert "Hint: The client's address is no trusted source of the cluster." in refused.err

    command.stack.stack.run("python", "-m", "localcloud", "stop")
    gone = command.here("info")
    assert gone.code == 1
    assert "Hint: Nothing listens there. The local cloud: `make up`" in gone.err
    password = command.stack.outputs()["direct_uris"]["villa-db"]["villa"].partition("@")[0].rpartition(":")[2]
    for done in (migrations, refused, gone):
        assert password not in done.out + done.err
