"""The token of a state folder, and who holds it."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from localcloud.access import carries, find_token, issue_token
from localcloud.options import Layout
from localcloud.records import SpacesKey, now
from localcloud.spaces.account import add_first_key
from localcloud.spaces.keys import FIRST_KEY
from localcloud.state import Tables
from localcloud.vault import Vault
from trellis.development import dev
from trellis.development.workspace import TOKEN_TO_COME, Workspace


def test_a_token_is_made_once_and_anew_when_it_was_cut(tmp_path: Path) -> None:
    file = tmp_path / "access.token"
    assert find_token(file) == ""
    token = issue_token(file)
    assert (len(token), issue_token(file), find_token(file)) == (40, token, token)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(token[:10])
    assert find_token(file) == ""
    assert issue_token(file) not in ("", token)


def test_nothing_but_the_whole_token_opens() -> None:
    assert carries("Bearer abc", "abc")
    assert not any(carries(given, "abc") for given in ("", "abc", "Bearer", "Bearer ab", "Bearer abcd", "Bearer \xe9"))


def test_a_folder_of_an_earlier_version_gets_a_secret_of_its_own(tmp_path: Path) -> None:
    vault, tables = Vault(tmp_path / "secret.key"), Tables()
    known = SpacesKey(access_key=FIRST_KEY, sealed_secret=vault.seal("known to all"), name="x", created_at=now())
    tables.spaces_keys[FIRST_KEY] = known
    add_first_key(tables, vault, "own")
    assert vault.open(tables.spaces_keys[FIRST_KEY].sealed_secret) == "own"
    kept = tables.spaces_keys[FIRST_KEY]
    add_first_key(tables, vault, "own")
    assert tables.spaces_keys[FIRST_KEY] is kept


def test_the_environment_holds_the_token_and_is_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workspace, "cloud_state", tmp_path / "localcloud")
    parts = SimpleNamespace(pulumi=Path("/p"), postgresql=Path("/p"), pgbouncer=Path("/p"), valkey=None)
    parts.droplet_images = None
    workspace = Workspace(folder=tmp_path, port=7080, parts=cast("Any", parts), python=Path("/p/python"))
    assert workspace.variables()["DIGITALOCEAN_TOKEN"] == TOKEN_TO_COME
    (tmp_path / "localcloud").mkdir()
    token = issue_token(Layout(state=workspace.cloud_state).token)
    stack = dev.Stack(workspace, "dev", None, tmp_path)
    for name in ("DIGITALOCEAN_TOKEN", "CLOUDFLARE_API_TOKEN", "SPACES_SECRET_ACCESS_KEY"):
        assert stack.environment[name] == token
    dev._write_environment(stack)
    assert f"export DIGITALOCEAN_TOKEN={token}\n" in (tmp_path / "env").read_text()
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600
