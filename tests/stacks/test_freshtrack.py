"""FreshTrack on a Droplet of its own: reached by the fallback, grown, dumped and kept."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from tests.stacks.harness import Finished, LocalStack, local_stack, wait_for
from trellis.development.bring import Parts

pytestmark = pytest.mark.droplets

CLUSTER = "freshtrack-db"


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with local_stack(parts, "freshtrack") as stack:
        yield stack


def test_a_refused_cluster_leads_to_a_droplet_only_where_the_stack_says_so(stack: LocalStack, tmp_path: Path) -> None:
    def refuse() -> None:
        stack.api("POST", "/_local/faults", {"fault": "500", "path": "^/v2/databases$", "method": "POST", "times": 99})

    _never_repeat_a_request(stack)
    refuse()
    failed = stack.try_up()
    assert failed.code != 0
    assert f"DatabaseCluster ({CLUSTER})" in failed.text
    assert stack.api("GET", "/v2/databases").get("databases") in ([], None)
    assert [droplet["name"] for droplet in stack.api("GET", "/v2/droplets")["droplets"]] == ["freshtrack-app"]

    stack.configure(fallback="self-hosted", connectionFiles=str(tmp_path / "secrets"), protect="always")
    _never_repeat_a_request(stack)
    for command in (("init", "--quiet"), ("add", stack.config_file.name)):
        subprocess.run(("git", *command), cwd=stack.config_file.parent, check=True)
    done = stack.try_up()
    assert done.code == 1, done.text
    assert f"warning: DigitalOcean did not make the managed cluster {CLUSTER}" in done.text
    assert "trellis:mode of the stack freshtrack is self-hosted from now on." in done.text
    assert "error: Pulumi.freshtrack.yaml was changed by this run" in done.text
    stack.api("DELETE", "/_local/faults")
    assert yaml.safe_load(stack.config_file.read_text())["config"]["trellis:mode"] == "self-hosted"
    stack.configure(mode="self-hosted")
    stack.must("preview", "--expect-no-changes")
    assert stack.outputs()["mode"] == "self-hosted"

    uri, authority = (tmp_path / "secrets" / CLUSTER / name for name in ("app-pool.url", "ca-certificate.crt"))
    assert {path.stat().st_mode & 0o777 for path in (uri, authority)} == {0o600}
    # The file leads to the private address, which the Droplet's own machine reaches.
    with psycopg.connect(uri.read_text(), sslrootcert=str(authority), prepare_threshold=None) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("freshtrack_app",)


def test_a_change_that_nobody_committed_is_an_error_and_no_deletion(stack: LocalStack) -> None:
    """Also where nothing is protected, and as the run that fell back found it: with managed in the file."""
    stack.configure(protect="never")
    stack.up()
    before = len(stack.journal())
    for file in ({"mode": None, "fallback": None}, {"mode": "managed", "fallback": "self-hosted"}):
        stack.configure(**file)
        for text in (stack.fails("preview"), stack.fails("up", "--yes", "--skip-preview"), _fails(stack.try_up())):
            assert "trellis:mode is managed, but self-hosted is deployed." in text
            assert "Set trellis:mode back to self-hosted." in text
        assert "trellis:mode of the stack 'freshtrack' is managed in its file, but" in _fails(stack.trellis("check"))
    assert stack.changes(before) == []
    stack.configure(mode="self-hosted")
    stack.up()
    assert stack.changes(before) == []
    stack.must("preview", "--expect-no-changes")


def test_the_server_is_what_cloud_init_was_told(stack: LocalStack) -> None:
    assert "Valid cloud-config" in _on_the_server(stack, "cloud-init", "schema", "--system")
    assert _on_the_server(stack, "systemctl", "list-units", "--failed", "--no-legend", "--plain").strip() == ""
    stored = _on_the_server(stack, "cat", "/etc/trellis/server.env", "/etc/pgbouncer/userlist.txt")
    for uri in _uris(stack):
        assert str(urlsplit(uri).password) not in stored
    with stack.connect(_direct(stack)) as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("50",)
        superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert superuser == (False,)


def test_an_unencrypted_connection_and_an_unknown_address_are_refused(stack: LocalStack) -> None:
    for uri in _uris(stack):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(uri.replace("sslmode=verify-full", "sslmode=disable"), connect_timeout=10)
    for file, first, whom, more in (
        (
            "/etc/postgresql/15/main/pg_hba.conf",
            ['hostssl all "freshtrack_app" all reject'],
            "all all",
            ["hostssl defaultdb doadmin 0.0.0.0/0 scram-sha-256 clientcert=verify-ca"],
        ),
        ("/etc/pgbouncer/hba.conf", [], '"app-pool" "freshtrack_app"', []),
    ):
        rules = [line for line in _on_the_server(stack, "cat", file).splitlines() if not line.startswith("local ")]
        sources = [f"hostssl {whom} {source} scram-sha-256" for source in ("10.4.0.0/16", "127.0.0.1/32")]
        assert rules == [*first, *sources, *more]


def test_a_dump_reaches_spaces_and_can_be_read(stack: LocalStack) -> None:
    _on_the_server(stack, "systemctl", "start", "trellis-dump.service")
    listed = _on_the_server(stack, "bash", "-c", f"{_SPACES} && rclone lsf -R spaces:$DUMP_BUCKET")
    names = {Path(line).name for line in listed.splitlines() if not line.endswith("/")}
    assert names == {"globals.sql", "freshtrack.dump", "defaultdb.dump"}
    contents = _on_the_server(
        stack,
        "bash",
        "-c",
        f"{_SPACES} && rclone copy --include '*/freshtrack.dump' spaces:$DUMP_BUCKET /tmp/dumps"
        " && pg_restore --list /tmp/dumps/*/freshtrack.dump",
    )
    assert "TABLE DATA public flyway_schema_history" in contents
    assert "trellis-dump.timer" in _on_the_server(stack, "systemctl", "list-timers", "--all", "--no-legend")


def test_growth_restarts_the_droplet_and_keeps_the_data(stack: LocalStack) -> None:
    with stack.connect(_direct(stack)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    before = _droplet(stack)
    stack.configure(phase="scale")
    stack.up()
    stack.must("preview", "--expect-no-changes")
    after = _droplet(stack)
    assert (after["id"], after["networks"]) == (before["id"], before["networks"])
    assert (before["size_slug"], after["size_slug"]) == ("s-1vcpu-2gb", "s-2vcpu-4gb")
    with stack.connect(_direct(stack)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert connection.execute("SHOW max_connections").fetchone() == ("100",)
    (volume,) = stack.api("GET", "/v2/volumes")["volumes"]
    assert volume["size_gigabytes"] == 60
    # Less what the file system needs for itself.
    assert int(_on_the_server(stack, "findmnt", "-bno", "SIZE", "/srv/postgresql")) > 58 << 30


def test_another_pool_size_reaches_the_running_server(stack: LocalStack) -> None:
    with stack.connect(_direct(stack)) as connection:
        connection.execute("SELECT 1")
        with psycopg.connect(
            _direct(stack).replace("/freshtrack?", "/defaultdb?"), sslrootcert=str(stack.authority()), autocommit=True
        ) as control:
            control.execute("UPDATE server.pools SET size = 7")
        wait_for(lambda: "pool_size=7 " in _on_the_server(stack, "cat", "/etc/pgbouncer/pools.ini"))
        # Whoever was connected still is.
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_no_password_is_in_the_state(stack: LocalStack) -> None:
    passwords = {str(urlsplit(uri).password) for uri in _uris(stack)}
    assert len(passwords) == 2
    for text in (stack.state(), stack.must("preview", "--diff"), str(stack.journal())):
        assert [password for password in passwords if password in text] == []
        assert "PRIVATE KEY" not in text


def test_what_is_protected_is_given_up_in_two_steps(stack: LocalStack) -> None:
    stack.configure(protect="always")
    stack.up()
    before = len(stack.journal())
    stack.configure(mode="managed", abandon="self-hosted", protect="never")
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        text = stack.fails(*command)
        assert "trellis:mode is managed, but self-hosted is deployed." in text
        assert "deploy once with trellis:protect: never" in text
    assert stack.changes(before) == []
    stack.configure(mode="self-hosted")
    stack.up()
    stack.configure(mode="managed")
    stack.up()
    assert stack.outputs()["mode"] == "managed"
    assert [droplet["name"] for droplet in stack.api("GET", "/v2/droplets")["droplets"]] == ["freshtrack-app"]
    assert not stack.api("GET", "/v2/volumes").get("volumes")
    # Of a development stack the dumps go too.
    assert "do:space:" not in str(stack.api("GET", "/v2/projects/default/resources"))
    stack.must("preview", "--expect-no-changes")


def test_it_is_destroyed_whole(stack: LocalStack) -> None:
    stack.must("destroy", "--yes", "--skip-preview")
    for path, root in (("/v2/droplets", "droplets"), ("/v2/volumes", "volumes"), ("/v2/firewalls", "firewalls")):
        assert not stack.api("GET", path).get(root)


def _never_repeat_a_request(stack: LocalStack) -> None:
    """The plugin takes an error for an answer at once, until the config is written anew."""
    config = yaml.safe_load(stack.config_file.read_text())
    config["config"]["digitalocean:httpRetryMax"] = 0
    stack.config_file.write_text(yaml.safe_dump(config))


def _fails(done: Finished) -> str:
    assert done.code == 1, done.text
    return done.text


_SPACES = "set -a && . /etc/trellis/spaces.env && . /etc/trellis/server.env"


def _uris(stack: LocalStack) -> list[str]:
    outputs = stack.outputs()
    return [*outputs["direct_uris"][CLUSTER].values(), *outputs["pooled_uris"][CLUSTER].values()]


def _direct(stack: LocalStack) -> str:
    return str(stack.outputs()["direct_uris"][CLUSTER]["freshtrack"])


def _droplet(stack: LocalStack) -> dict[str, Any]:
    droplets = stack.api("GET", "/v2/droplets")["droplets"]
    return dict(next(droplet for droplet in droplets if droplet["name"] == CLUSTER))


def _on_the_server(stack: LocalStack, *command: str) -> str:
    enter = [str(stack.workspace.python), "-m", "localcloud", "enter", str(_droplet(stack)["id"]), *command]
    done = subprocess.run(
        enter, cwd=stack.root, env=stack.stack.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
