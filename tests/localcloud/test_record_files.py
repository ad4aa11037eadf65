"""Files that were cut or emptied have a copy to go back to; other broken contents stop with what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from localcloud import files
from localcloud.records import Tag
from localcloud.servers import CertificateAuthority, ServerError
from localcloud.servers.account import Account
from localcloud.servers.state import Secrets, load, save
from localcloud.spaces.store import Store
from localcloud.state import State, StateError
from localcloud.vault import Vault
from tests.localcloud.cloud import LocalCloud

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "empty": lambda _: b"",
    "zeros": lambda whole: bytes(len(whole)),
}
WRONG = ["[]", "null", "5", '{"format": 2}\n', '{"format": 1, "clusters": 5}\n', '{"format": 1, "tags": {"a": {}}}\n']
WRONG += ["[" * 100_000 + "]" * 100_000, '{\n"format": 1,,\n}', '{"format": 1, "vpcs": {"a": []}}']


def damage(path: Path, how: str) -> None:
    path.write_bytes(DAMAGE[how](path.read_bytes()))


def tagged(path: Path, *names: str) -> None:
    state = State(path)
    for name in names:
        with state.transaction() as tables:
            tables.tags[name] = Tag(name=name)


@pytest.mark.parametrize("how", DAMAGE)
def test_records_go_back_to_the_copy_before(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "state.json"
    tagged(path, "first", "second", "third")
    damage(path, how)
    assert list(State(path).read().tags) == ["first", "second"]
    assert str(path) in caplog.text
    # What was cut does not take the copy's place.
    damage(path, how)
    tagged(path, "fourth")
    damage(path, how)
    assert list(State(path).read().tags) == ["first", "second", "fourth"]
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


@pytest.mark.parametrize("how", DAMAGE)
def test_the_very_first_records_have_a_copy_too(tmp_path: Path, how: str) -> None:
    account = Account.resolve(None)
    save(Secrets(superuser="a", replication="b", console="c"), tmp_path / "secrets.json", account)
    damage(tmp_path / "secrets.json", how)
    assert load(Secrets, tmp_path / "secrets.json").console == "c"
    sealed = Vault(tmp_path / "secret.key").seal("value")
    damage(tmp_path / "secret.key", how)
    assert Vault(tmp_path / "secret.key").open(sealed) == "value"
    pem = CertificateAuthority(tmp_path).pem
    damage(tmp_path / "authority.pem", how)
    assert CertificateAuthority(tmp_path).pem == pem


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_other_contents_stop_with_the_file_and_what_to_do(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "state.json"
    tagged(path, "first", "second")
    path.write_text(wrong)
    with pytest.raises(StateError, match=r"state\.json: the state cannot be read: .*copy.*reset") as stopped:
        State(path)
    assert "pydantic" not in str(stopped.value)
    assert path.read_text() == wrong
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(StateError, match="cannot be read"):
        State(path)


@pytest.mark.parametrize("wrong", ["[]", "{}", '{"superuser": 1, "replication": "", "console": ""}', "{\n]\n}"])
def test_so_do_a_servers_own_files(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "secrets.json").write_text(wrong)
    with pytest.raises(ServerError, match=r"secrets\.json is damaged \(.*Put it back from a copy"):
        load(Secrets, tmp_path / "secrets.json")


def test_what_has_no_copy_is_told(tmp_path: Path) -> None:
    for name in ("state.json", "secret.key", "authority.pem", "secrets.json"):
        (tmp_path / name).touch()
    opened: list[tuple[type[Exception], Callable[[], Any]]] = [
        (StateError, lambda: State(tmp_path / "state.json")),
        (StateError, lambda: Vault(tmp_path / "secret.key")),
        (ServerError, lambda: CertificateAuthority(tmp_path)),
        (ServerError, lambda: load(Secrets, tmp_path / "secrets.json")),
    ]
    for kind, opening in opened:
        with pytest.raises(kind, match="from a copy"):
            opening()


@pytest.mark.parametrize("contents", [b"", b"no database at all" * 100])
def test_an_index_that_is_lost_takes_no_content_with_it(tmp_path: Path, contents: bytes) -> None:
    store = Store(tmp_path / "spaces")
    name, file = store.new_blob()
    with file:
        file.write(b"precious")
    store.close()
    (tmp_path / "spaces" / "index.sqlite").write_bytes(contents)
    with pytest.raises(StateError, match=r"index\.sqlite: .*from a copy"):
        Store(tmp_path / "spaces")
    assert (tmp_path / "spaces" / "content" / name).read_bytes() == b"precious"


def test_a_local_cloud_comes_up_with_what_is_left(make_cloud: Callable[..., LocalCloud]) -> None:
    cloud = make_cloud()
    cluster = cloud.create_cluster("mended")
    broken = cloud.create_cluster("broken")
    with psycopg.connect(cluster["connection"]["uri"], connect_timeout=30) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    cloud.stop()
    folder = cloud.state / "clusters" / cluster["id"]
    for path in (
        cloud.state / "state.json",
        cloud.state / "secret.key",
        folder / "cluster.json",
        folder / "secrets.json",
    ):
        damage(path, "cut")
    wrong = cloud.state / "clusters" / broken["id"] / "cluster.json"
    wrong.write_text("[]")
    (cloud.state / "serve.lock").write_text("")
    done = cloud.command("start")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "state.json is cut" in done.stderr
    with psycopg.connect(cloud.online(f"/v2/databases/{cluster['id']}", "database")["connection"]["uri"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    answer = cloud.call("GET", f"/v2/databases/{broken['id']}")
    assert (answer.status, str(wrong) in answer.message) == (409, True), answer.message
    cloud.stop()
    (cloud.state / "state.json").write_text("[]")
    for command in ("start", "status", "logs"):
        done = cloud.command(command)
        assert "Traceback" not in done.stderr
    assert (cloud.command("start").returncode, files.previous(cloud.state / "state.json").exists()) == (1, True)
    cloud.remove()
