"""The command on a stack: the real engine, the local cloud, one deployment for all of it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.operations.conftest import Finished
from tests.stacks.harness import LocalStack, local_stack, open_folder, program_copy
from trellis.development.bring import bring


@contextmanager
def tudao_with_a_replica() -> Iterator[LocalStack]:
    """TUDAO, deployed, in a checkout of its own."""
    copy_to = {"region": "sfo3", "ipRange": "10.101.0.0/16"}
    with program_copy() as program, local_stack(bring(), "tudao", program, copyTo=copy_to) as stack:
        stack.up()
        yield stack


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

    def run(self, app: str, *program: str) -> Finished:
        """A program with the environment of an app."""
        return self("run", app, "--config-file", str(self.stack.config_file), "--", *program)

    def here(self, name: str, *arguments: str) -> Finished:
        """A command that reads the stack's config."""
        return self(name, *arguments, "--config-file", str(self.stack.config_file))


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """The command, on a stack that nobody has deployed yet."""
    # The account that a throw-away server runs as must pass through the folder for temporary files.
    with program_copy() as program, local_stack(bring(), root=program) as stack, open_folder() as temporary:
        yield Command(stack, temporary)


# As docs/connect.md does it; and what others can see of the program, which is no secret.
CLIENT = """
import os, pathlib, tempfile, psycopg
with tempfile.NamedTemporaryFile("w") as authority:
    authority.write(os.environ["DATABASE_CA_CERT"])
    authority.flush()
    with psycopg.connect(os.environ["DATABASE_URL"], sslrootcert=authority.name, prepare_threshold=None) as connection:
        print(connection.execute("SELECT current_user").fetchone()[0])
password = os.environ["DATABASE_URL"].split(":")[2].split("@")[0]
print(password in pathlib.Path("/proc/self/cmdline").read_text())
"""


def _programs_run_as_the_app(command: Command) -> None:
    names = command.here("env", "villa-api", "--json")
    assert json.loads(names.out)["names"] == ["DATABASE_URL", "DATABASE_CA_CERT", "DATABASE_CREDENTIALS_FINGERPRINT"]
    assert command.here("env", "villa-web").out == "NEXT_PUBLIC_API_URL\n"
    for app in ("villa-api", "villa-pool", "villa-db/villa-pool"):
        done = command.run(app, sys.executable, "-c", CLIENT)
        assert (done.code, done.out.split()) == (0, ["villa_app", "False"]), done.err
    web = command.run("villa-web", "printenv", "NEXT_PUBLIC_API_URL")
    assert web.out.strip() == command.stack.outputs()["app_urls"]["villa-api"]
    (app,) = (one for one in command.stack.api("GET", "/v2/apps")["apps"] if one["spec"]["name"] == "villa-api")
    (service,) = app["spec"]["services"]
    assert {one["key"] for one in service["envs"]} == set(json.loads(names.out)["names"])

    # It is the program: its arguments, its end, and how it heeds signals.
    assert command.run("villa-api", "printf", "%s ", "a", "--", "--flag", "--stack").out == "a -- --flag --stack "
    assert command.run("villa-api", "sh", "-c", "exit 7").code == 7
    assert command.run("villa-api", "sh", "-c", "kill -TERM $$").code == -signal.SIGTERM
    ignored = ("grep", "SigIgn", "/proc/self/status")
    assert command.run("villa-api", *ignored).out == subprocess.check_output(ignored, text=True)
    assert command.run("villa-api", "no-such-program").code == 127
    assert command.run("villa-api", "/etc/passwd").code == 126
    unknown = command.run("vila", "true")
    assert (unknown.code, "Apps: villa-api, villa-web." in unknown.err) == (2, True), unknown.err
    assert command("run", "villa-api", "--config-file", str(command.stack.config_file)).code == 2


def test_a_stack_from_before_its_deployment_to_a_cloud_that_is_gone(command: Command) -> None:
    early = command.here("info")
    assert early.code == 1
    assert "The stack 'dev' has no database villa-db/villa yet" in early.err
    assert "pulumi up --stack dev" in early.err
    reviewed = command.here("check", "--all", "--json")
    assert reviewed.code == 0, reviewed.err
    (database,) = json.loads(reviewed.out)["databases"]
    assert (database["database"], database["files"]) == ("villa-db/villa", 9)

    undeployed = command.run("villa-api", "true")
    assert (undeployed.code, "Deploy it with `trellis up --stack dev`" in undeployed.err) == (1, True), undeployed.err

    command.stack.up()
    _programs_run_as_the_app(command)
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
