"""Official plugins that Pulumi fetches into the account's own folder, and the bundled ones where it cannot."""

import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localcloud.providers.install import VERSIONS
from trellis.development import plugins
from trellis.development.bring import bring
from trellis.development.progress import Failure
from trellis.development.workspace import Workspace

PROGRAM = b"#!/bin/sh\necho official\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    # Before the account has another folder, for its cache lies in that.
    parts = bring(droplets=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Workspace(folder=tmp_path / "work", port=9, parts=parts, python=Path(sys.executable))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What Pulumi's server of plugins is for a test: a folder of archives."""
    folder = tmp_path / "archives"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setenv("PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES", f".*=http://127.0.0.1:{httpd.server_port}")
        yield folder
        httpd.shutdown()


def archive(folder: Path, name: str, version: str) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    with tarfile.open(folder / f"pulumi-resource-{name}-v{version}-linux-{machine}.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo(f"pulumi-resource-{name}")
        entry.size, entry.mode = len(PROGRAM), 0o755
        tar.addfile(entry, io.BytesIO(PROGRAM))


def kinds(workspace: Workspace) -> dict[str, bool]:
    """Which plugins are official, by what the engine would start."""
    found = {}
    for plugin in plugins.prepare(workspace):
        program = plugin.path / f"pulumi-resource-{plugin.name}"
        said = subprocess.run((program, "--version"), capture_output=True, text=True, check=True).stdout
        assert plugin.official == (said == "official\n")
        found[plugin.name] = plugin.official
    return found


def test_a_first_run_fetches_the_official_plugins(workspace: Workspace, server: Path) -> None:
    for name, version in VERSIONS.items():
        archive(server, name, version)
    plugins.choose(workspace)
    assert set(kinds(workspace).values()) == {True}
    plugins.switch(workspace, plugins.BUNDLED)
    assert set(kinds(workspace).values()) == {False}
    plugins.choose(workspace)
    assert set(kinds(workspace).values()) == {False}
    plugins.switch(workspace, plugins.OFFICIAL)
    assert set(kinds(workspace).values()) == {True}


def test_without_them_the_bundled_ones_do(
    workspace: Workspace, server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(server, "digitalocean", VERSIONS["digitalocean"])
    plugins.choose(workspace)
    said = capsys.readouterr().out
    assert said.startswith("Pulumi could not fetch its cloudflare plugin ")
    assert said.endswith(". The bundled ones do; `trellis dev plugins official` tries again.\n")
    assert said.count("\n") == 1
    assert kinds(workspace) == {"digitalocean": True, "cloudflare": False, "random": False}
    # Once a workspace: no later run waits for a network.
    plugins.choose(workspace)
    assert capsys.readouterr().out == ""
    plugins.switch(workspace, plugins.BUNDLED)
    with pytest.raises(Failure, match="could not fetch its cloudflare plugin"):
        plugins.switch(workspace, plugins.OFFICIAL)
    assert set(kinds(workspace).values()) == {False}
