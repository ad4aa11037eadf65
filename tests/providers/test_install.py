"""Which plugin is put where Pulumi looks for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.providers.install import VERSIONS, Action, install

DIGITALOCEAN = f"resource-digitalocean-v{VERSIONS['digitalocean']}"


def official(plugins: Path, name: str, version: str) -> Path:
    """An official plugin, as far as a file system can tell."""
    folder = plugins / f"resource-{name}-v{version}"
    folder.mkdir(parents=True)
    executable = folder / f"pulumi-resource-{name}"
    executable.write_bytes(b"\x7fELF")
    executable.chmod(0o755)
    (folder / "README.md").write_text("official\n")
    return executable


def actions(home: Path, elsewhere: Path) -> dict[str, Action]:
    """What installing does."""
    return {plugin.name: plugin.action for plugin in install(home, elsewhere)}


def test_bundled_where_there_is_no_official(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    assert set(actions(home, elsewhere).values()) == {Action.BUNDLED}
    for name, version in VERSIONS.items():
        wrapper = home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
        assert wrapper.stat().st_mode & 0o111
    assert set(actions(home, elsewhere).values()) == {Action.UNCHANGED}


@pytest.mark.parametrize("name", VERSIONS)
def test_wrapper_serves(tmp_path: Path, name: str) -> None:
    install(tmp_path, tmp_path / "none")
    wrapper = tmp_path / "plugins" / f"resource-{name}-v{VERSIONS[name]}" / f"pulumi-resource-{name}"
    # The engine starts a plugin in the program's folder, whose modules are none of the plugin's business.
    for module in ("http", "random", "settings"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('a module of the program was imported')\n")
    with subprocess.Popen([wrapper, "127.0.0.1:9"], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert 0 < int(process.stdout.readline()) < 65536
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_stale_wrapper_is_replaced(tmp_path: Path) -> None:
    install(tmp_path, tmp_path / "none")
    wrapper = tmp_path / "plugins" / DIGITALOCEAN / "pulumi-resource-digitalocean"
    current = wrapper.read_text()
    wrapper.write_text(current.replace(sys.executable, "/gone/python"))
    assert actions(tmp_path, tmp_path / "none")["digitalocean"] is Action.BUNDLED
    assert wrapper.read_text() == current


def test_installed_official_is_kept(tmp_path: Path) -> None:
    executable = official(tmp_path / "plugins", "digitalocean", VERSIONS["digitalocean"])
    done = actions(tmp_path, tmp_path / "none")
    assert done == {"digitalocean": Action.KEPT, "cloudflare": Action.BUNDLED, "random": Action.BUNDLED}
    assert executable.read_bytes() == b"\x7fELF"


def test_official_elsewhere_is_linked_and_replaces_the_bundled(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    install(home, elsewhere)
    executable = official(elsewhere, "digitalocean", VERSIONS["digitalocean"])
    assert actions(home, elsewhere)["digitalocean"] is Action.LINKED
    linked = home / "plugins" / DIGITALOCEAN / "pulumi-resource-digitalocean"
    assert linked.resolve() == executable.resolve()
    assert actions(home, elsewhere)["digitalocean"] is Action.KEPT


def test_newest_official_of_the_major_version_is_linked(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    official(elsewhere, "digitalocean", "4.9.0")
    newest = official(elsewhere, "digitalocean", "4.90.0")
    official(elsewhere, "digitalocean", "5.0.0")
    install(tmp_path, elsewhere)
    linked = tmp_path / "plugins" / DIGITALOCEAN / "pulumi-resource-digitalocean"
    assert linked.resolve() == newest.resolve()


def test_half_installed_official_is_passed_over(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    official(elsewhere, "digitalocean", VERSIONS["digitalocean"])
    (elsewhere / f"{DIGITALOCEAN}.partial").touch()
    assert actions(tmp_path, elsewhere)["digitalocean"] is Action.BUNDLED


def test_official_that_is_gone_is_replaced_by_the_bundled(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    executable = official(elsewhere, "digitalocean", VERSIONS["digitalocean"])
    install(tmp_path / "home", elsewhere)
    executable.unlink()
    assert actions(tmp_path / "home", elsewhere)["digitalocean"] is Action.BUNDLED
    assert not executable.exists()


def test_the_bundled_where_they_are_asked_for(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    executable = official(elsewhere, "digitalocean", VERSIONS["digitalocean"])
    official(home / "plugins", "random", VERSIONS["random"])
    assert [plugin.official for plugin in install(home, elsewhere)] == [True, False, True]
    assert {plugin.action for plugin in install(home, None)} == {Action.BUNDLED, Action.UNCHANGED}
    assert executable.read_bytes() == b"\x7fELF"


@pytest.mark.parametrize("name", VERSIONS)
def test_a_bundled_plugin_says_what_it_is(tmp_path: Path, name: str) -> None:
    install(tmp_path, None)
    wrapper = tmp_path / "plugins" / f"resource-{name}-v{VERSIONS[name]}" / f"pulumi-resource-{name}"
    said = subprocess.run((wrapper, "--version"), capture_output=True, text=True, check=True).stdout
    assert said == f"{VERSIONS[name]}+bundled\n"
