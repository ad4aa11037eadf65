"""docs/disasters.md: every command of the page, as it is printed, in its order."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.migrator.servers import PostgreSQL, server_folder
from tests.stacks.harness import LocalStack, local_stack, outputs, program_copy
from tools import ROOT
from trellis.development.bring import Parts
from trellis.development.dev import Stack

PAGE = (ROOT / "docs" / "disasters.md").read_text()
INSERT = (
    "INSERT INTO profiles (address, nickname) SELECT lpad(n::text, 42, '0'), 'n' || n FROM generate_series(1, 1000) n"
)


class Shell:
    """Runs the page's blocks of commands one after the other, where somebody with the repository would."""

    def __init__(self, stack: LocalStack) -> None:
        programs = stack.workspace.folder / "programs"
        programs.mkdir()
        (programs / "trellis").write_text('#!/bin/sh\nexec python -m trellis "$@"\n')
        (programs / "trellis").chmod(0o755)
        clients = stack.workspace.parts.postgresql / "17" / "bin"
        environment = stack.stack.environment
        self._environment = environment | {"PATH": f"{programs}:{environment['PATH']}:{clients}"}
        self._root = stack.root
        self._blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    def run(self, begins: str, **variables: str) -> str:
        """Runs the next block, which begins so and has to work; what it printed."""
        block = self._blocks.pop(0)
        assert block.startswith(begins), block
        done = subprocess.run(
            ("bash", "-eu", "-o", "pipefail", "-c", block),
            cwd=self._root,
            env=self._environment | variables,
            stdin=subprocess.DEVNULL,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        return done.stdout

    @property
    def left(self) -> list[str]:
        """Blocks that nobody ran yet."""
        return self._blocks


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    """Villa in production."""
    with program_copy() as program, local_stack(parts, "prod", program, trustedSources=["127.0.0.1"]) as stack:
        # Where the commands of the page look for it.
        (program / "Pulumi.prod.yaml").unlink()
        stack.config_file = stack.config_file.rename(program / "Pulumi.prod.yaml")
        yield stack


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[PostgreSQL]:
    """A PostgreSQL that is not DigitalOcean's."""
    with ExitStack() as opened:
        server = PostgreSQL(opened.enter_context(server_folder()))
        server.start()
        opened.callback(server.stop)
        yield server


def test_the_page(stack: LocalStack, elsewhere: PostgreSQL, tmp_path: Path) -> None:
    shell = Shell(stack)
    public = re.findall(r"age1\w+", shell.run("trellis backup --new-key"))[0]
    villa = stack.root / "systems" / "villa.yaml"
    (declared,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    text = re.sub(r"^# Beyond.*\nbackups:\n( .*\n)*", "", villa.read_text(), flags=re.MULTILINE)
    villa.write_text(f"{text}\n{declared.replace('age1…', public)}")
    stack.up()
    with administrator(stack) as connection:
        connection.execute(INSERT)
    cluster = stack.api("GET", "/v2/databases")["databases"][0]["id"]
    stack.api("POST", f"/_local/databases/{cluster}/backups")

    drilled = shell.run("trellis backup --stack prod\ntrellis drill")
    assert drilled.count("## villa-db: proven") == 2
    assert shell.run("trellis drill --stack prod --sweep") == ""

    with administrator(stack) as connection:
        ((moment,),) = connection.execute("SELECT clock_timestamp()").fetchall()
        connection.execute("DELETE FROM profiles")
    at = {"TIME": moment.isoformat()}
    assert "1,000 rows were there and are not now" in shell.run("trellis rescue", **at)
    assert "1,000 rows are back" in shell.run("trellis rescue", **at)

    (stack.root / "migrations" / "villa" / "villa" / "V1.0.7__More.sql").write_text("CREATE TABLE more (id int);")
    assert "Backup before the migrations" in shell.run("trellis migrate --stack prod --backup")

    admin, new = uri(elsewhere, "postgres"), uri(elsewhere, "villa")
    told = shell.run("psql", ADMIN_URI=admin, NEW_URI=new)
    assert "each as it was at" in told
    shell.run("psql", ADMIN_URI=admin, PASSWORD="of the application")
    with psycopg.connect(uri(elsewhere, "villa", "villa_app", "of%20the%20application")) as application:
        assert application.execute("SELECT count(*) FROM profiles").fetchone() == (1000,)
    shell.run("trellis backup --stack prod --to", FOLDER=str(tmp_path))
    assert len(list(tmp_path.glob("prod/*/manifest.json"))) == 1

    shell.run("pulumi stack init far")
    uris = outputs(Stack(stack.workspace, "far", None, stack.root))
    authority = tmp_path / "far.crt"
    authority.write_text(uris["ca_certificates"]["villa-db"])
    new = f"{uris['direct_uris']['villa-db']['villa']}&sslrootcert={authority}"
    shell.run("psql", ADMIN_URI=new.replace("/villa?", "/defaultdb?"), NEW_URI=new)
    with psycopg.connect(new) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (1000,)

    before = stack.outputs()
    shell.run("trellis rotate villa_app")
    assert [kind for kind in ("direct_uris", "pooled_uris") if stack.outputs()[kind] == before[kind]] == []
    pooled = stack.outputs()["pooled_uris"]["villa-db"]["villa-pool"]
    with stack.connect(pooled) as connection:
        assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (1000,)
    assert shell.left == []


def administrator(stack: LocalStack) -> Any:
    return stack.connect(stack.outputs()["direct_uris"]["villa-db"]["villa"])


def uri(server: PostgreSQL, database: str, user: str | None = None, password: str | None = None) -> str:
    parameters = server.parameters(database)
    login = f"{user or parameters['user']}:{password or parameters['password'].replace(' ', '%20')}"
    return f"postgresql://{login}@127.0.0.1:{parameters['port']}/{database}"
