"""Bad input stops with a clear error before anything changes, in a preview as in a deployment."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.harness import LocalStack, local_stack, open_folder, program_copy
from trellis.development.bring import Parts
from trellis.development.progress import Failure


@pytest.fixture(scope="module")
def idle(parts: Parts) -> Iterator[LocalStack]:
    """A local cloud with nothing deployed."""
    with program_copy() as program, local_stack(parts, root=program) as stack:
        yield stack


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"system": "vila"}, "there is no system 'vila'. Known: "),
        ({"phase": "huge"}, "'huge' is not allowed. Allowed: 'launch', 'growth', 'scale'"),
        ({"regoin": "nyc1"}, "trellis:regoin: unknown key"),
        ({"ipRange": "8.8.0.0/16"}, "8.8.0.0/16 is not private"),
        ({"trustedSources": ["0.0.0.0/0"], "phase": "growth"}, "0.0.0.0/0 admits the whole internet"),
    ],
)
def test_a_bad_setting(idle: LocalStack, config: dict[str, Any], message: str) -> None:
    kept = idle._config
    before = len(idle.journal())
    idle._config = {**kept, **config}
    try:
        idle.configure()
        text = idle.fails("up", "--yes", "--skip-preview")
        assert message in text
        assert "Traceback" not in text
    finally:
        idle._config = kept
        idle.configure()
    assert idle.changes(before) == []


def test_a_preview_says_the_same(idle: LocalStack) -> None:
    idle.configure(phase="huge")
    try:
        assert "'huge' is not allowed. Allowed: 'launch', 'growth', 'scale'" in idle.fails("preview")
    finally:
        idle.configure(phase=None)


def test_a_stack_of_digitalocean_in_the_local_clouds_shell(idle: LocalStack) -> None:
    before = len(idle.journal())
    made, previewed, removed = (
        idle._run("pulumi", *command, "--non-interactive", "--color", "never")
        for command in (("stack", "init", "prod"), ("preview", "--stack", "prod"), ("stack", "rm", "prod", "--yes"))
    )
    assert made.code == removed.code == 0, made.text + removed.text
    assert previewed.code == 1, previewed.text
    assert "Pulumi.prod.yaml has no digitalocean:apiEndpoint" in previewed.text
    assert "Traceback" not in previewed.text
    assert idle.changes(before) == []


def test_a_range_that_overlaps_another_network(idle: LocalStack) -> None:
    other = idle.api("POST", "/v2/vpcs", {"name": "other", "region": "nyc1", "ip_range": "10.0.128.0/20"})["vpc"]
    try:
        text = idle.fails("up", "--yes", "--skip-preview")
        assert "10.0.128.0/20" in text
        assert idle.api("GET", "/v2/databases").get("databases") in ([], None)
    finally:
        idle.must("destroy", "--yes", "--skip-preview")
        idle.api("DELETE", f"/v2/vpcs/{other['id']}")


def test_the_local_cloud_is_not_running(idle: LocalStack) -> None:
    idle.stack.run("python", "-m", "localcloud", "stop")
    try:
        text = idle.fails("up", "--yes", "--skip-preview")
        assert str(idle.workspace.port) in text
        assert "refused" in text
    finally:
        idle.start()


def test_a_taken_port(idle: LocalStack, tmp_path: Path) -> None:
    command = [str(idle.workspace.python), "-m", "localcloud", "start", "--state", str(tmp_path / "other")]
    done = subprocess.run(
        [*command, "--port", str(idle.workspace.port)],
        env=idle.stack.environment,
        cwd=Path(__file__).resolve().parents[2],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert str(idle.workspace.port) in done.stderr
    assert "--port" in done.stderr


class TestMigrationFiles:
    """A program of its own, whose SQL a test may break: the checkout's files are never touched."""

    @pytest.fixture
    def folder(self, idle: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        with program_copy() as program:
            monkeypatch.setattr(idle, "root", program)
            yield program / "migrations" / "villa" / "villa"

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("V1.0.0_Oops.sql", b"SELECT 1;", "V1.0.0_Oops.sql"),
            ("V1.0.0__Again.sql", b"SELECT 1;", "V1.0.0__Again.sql"),
            ("V9.0.0__Latin.sql", b"SELECT '\xe9';", "V9.0.0__Latin.sql"),
        ],
    )
    def test_a_file_that_cannot_be_used(
        self, idle: LocalStack, folder: Path, name: str, content: bytes, message: str
    ) -> None:
        before = len(idle.journal())
        (folder / name).write_bytes(content)
        for command in (("preview",), ("up", "--yes", "--skip-preview")):
            text = idle.fails(*command)
            assert message in text
            assert "Traceback" not in text
        assert idle.changes(before) == []

    def test_sql_that_fails_and_a_file_edited_after_it_ran(self, idle: LocalStack, folder: Path) -> None:
        wrong = folder / "V9.0.0__Wrong.sql"
        wrong.write_text("CREATE TABLE half (id int);\nSELECT nowhere\n  FROM half;\n")
        text = idle.fails("up", "--yes", "--skip-preview")
        for part in ("V9.0.0__Wrong.sql", "line 2", "42703", "nowhere"):
            assert part in text, text
        assert "Traceback" not in text
        wrong.write_text("CREATE TABLE half (id int);\n")
        idle.up()
        with idle.connect(idle.outputs()["direct_uris"]["villa-db"]["villa"]) as connection:
            assert connection.execute("SELECT count(*) FROM half").fetchone() == (0,)

        pools = idle.api("GET", "/v2/databases")["databases"][0]["id"]
        wrong.write_text("CREATE TABLE half (id bigint);\n")
        preview = idle.must("preview", "--diff")
        assert "V9.0.0__Wrong.sql" in preview
        before = len(idle.journal())
        text = idle.fails("up", "--yes", "--skip-preview")
        assert "V9.0.0__Wrong.sql" in text
        assert "checksum" in text.lower()
        assert idle.changes(before) == []
        assert idle.api("GET", f"/v2/databases/{pools}/pools")["pools"]
        wrong.write_text("CREATE TABLE half (id int);\n")
        idle.must("destroy", "--yes", "--skip-preview")


def test_a_port_that_something_else_has(parts: Parts) -> None:
    with open_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = LocalStack(folder, parts, port=port).stack
        with pytest.raises(Failure, match=rf"port {port}: Address already in use\. .* in Pulumi\.dev\.yaml"):
            stack.start_cloud()
        assert not stack.is_ready()
