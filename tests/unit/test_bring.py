"""What a machine has, lacks and brings: nothing is fetched here."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from subprocess import PIPE

import pytest

from tools import ROOT
from trellis.development import bring, debian
from trellis.development.progress import Failure

SERVERS = ("LOCALCLOUD_POSTGRESQL", "LOCALCLOUD_PGBOUNCER", "LOCALCLOUD_VALKEY")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, on a machine without Pulumi and without servers of the user's own."""
    for name in SERVERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "cache"


def _fill(cache: Path) -> None:
    """What `bring` looks for, empty."""
    for programs in (bring.SERVERS, bring.SERVER_15):
        for major in ("15", "17"):
            (cache / "debian" / programs.name / "usr" / "lib" / "postgresql" / major).mkdir(parents=True)
    (cache / "pulumi" / bring.PULUMI).mkdir(parents=True)


def test_a_cache_that_has_everything_is_only_read(cache: Path) -> None:
    _fill(cache)
    folder, _, links = bring._postgresql(cache, ("15", "17"))
    for link, target in links.items():
        bring._link(link, target)
    before = sorted(cache.rglob("*"))
    parts = bring.bring(("15", "17"), droplets=False)
    assert (parts.postgresql, parts.pulumi) == (folder, cache / "pulumi" / bring.PULUMI)
    assert sorted(cache.rglob("*")) == before


def test_a_cache_that_cannot_be_written_is_said_with_what_it_lacks(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bring, "_require", lambda _: None)
    cache.write_text("no folder")
    with pytest.raises(
        Failure, match=r"cannot be written \(.*\), and it lacks:\n  Pulumi .*\n  .*\n.*TRELLIS_CACHE=FOLDER"
    ):
        bring.bring(("17",), droplets=False)


def test_what_is_missing_is_said_at_once(cache: Path) -> None:
    with pytest.raises(Failure) as refused:
        bring.bring(("15", "16", "17"), droplets=False)
    text = str(refused.value)
    assert "PostgreSQL 15, from Debian's suite bookworm: needs apt-get and dpkg" in text
    assert "PostgreSQL 16.15.0, from Maven Central: needs java and mvn" in text
    assert text.count("PgBouncer") == 1
    assert not cache.exists()


def test_a_server_of_the_users_own_is_taken(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "pulumi" / bring.PULUMI).mkdir(parents=True)
    for name in SERVERS:
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    parts = bring.bring(("15", "16", "17"), droplets=False)
    assert (parts.postgresql, parts.pgbouncer, parts.valkey) == tuple(tmp_path / name for name in SERVERS)
    monkeypatch.setenv("LOCALCLOUD_VALKEY", str(tmp_path / "nowhere"))
    with pytest.raises(Failure, match=r"LOCALCLOUD_VALKEY is .*nowhere, and there is nothing"):
        bring.bring(("17",), droplets=False)


def test_an_earlier_answer_is_no_choice_of_the_users(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`. .trellis/env` sets the variables to places in the cache, which a later version has moved on from."""
    monkeypatch.setenv("LOCALCLOUD_PGBOUNCER", str(cache / "debian" / "trixie-of-last-year" / "pgbouncer"))
    assert bring._own(cache, "LOCALCLOUD_PGBOUNCER") is None


@pytest.mark.parametrize(
    ("go", "usable"),
    [
        ("go1.26.8\\nauto", True),
        ("go1.26.8\\nlocal", True),
        ("go1.24.4\\nauto", True),
        ("go1.24.4\\nlocal", False),
        ("go1.19.8", False),
        ("devel", False),
    ],
)
def test_go_is_taken_from_path_where_it_can_build(cache: Path, tmp_path: Path, go: str, usable: bool) -> None:
    assert bring._usable_go() is None
    (tmp_path / "go").write_text(f"#!/bin/sh\nprintf '{go}\\n'\n")
    (tmp_path / "go").chmod(0o755)
    assert (bring._usable_go() is not None) is usable


@pytest.mark.parametrize(
    ("sites", "named", "mirror", "security"),
    [
        (("http://a.test/debian", "http://s.test/debian-security"), "", "http://a.test/debian", "http://s.test/debian-security"),
        (("http://x.test/apt", "http://a.test/pub/debian"), "", "http://a.test/pub/debian", "http://a.test/pub/debian-security"),
        (("http://u.test/ubuntu",), "http://m.test/debian/", "http://m.test/debian", "http://m.test/debian-security"),
        (("http://u.test/ubuntu",), "http://m.test/mirror", "http://m.test/mirror", None),
        (("http://u.test/ubuntu",), "", "http://usual.test/debian", "http://usual.test/debian-security"),
    ],
)  # fmt: skip
def test_the_mirror_of_the_machine_is_taken(
    sites: tuple[str, ...],
    named: str,
    mirror: str,
    security: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*command: str, at: Path | None = None) -> str:
        if "--print-uris" in command:
            return "".join(f"'{site}/dists/any/main/binary-amd64/Packages.xz' name 0 \n" for site in sites)
        if "download" in command and at is not None:
            (at / "debootstrap_1_all.deb").touch()
        if command[0] == "dpkg":
            script = Path(command[-1], "usr", "sbin", "debootstrap")
            script.parent.mkdir(parents=True)
            script.write_text('VERSION=1\nDEF_MIRROR="http://usual.test/debian"\n')
        return ""

    monkeypatch.setenv(debian.MIRROR, named)
    assert debian._mirror(debian._Apt(folder=tmp_path, run=run)) == (mirror, security)


@pytest.mark.parametrize("arguments", [(), ("--servers",)])
def test_a_machine_says_everything_it_lacks(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-S", ROOT / "trellis" / "development" / "machine.py", *arguments],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "SSL_CERT_FILE": "any"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "\n  git\n" in done.stderr
    assert ("apt-get and dpkg" in done.stderr) is bool(arguments)
    for command in ("sudo apt-get install git", "sudo dnf install git", "brew install git"):
        assert f"  {command}\n" in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    program = (
        "from trellis.development import dev; from trellis.operations.cli import main;"
        "dev.bring = list; dev.describe = lambda _: [('x', '', '', '')] * 99999; main(['dev', 'parts'])"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", '"$0" -c "$1" 2>&1 | head -c 1', sys.executable, program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "x"


def _part(cache: Path, name: str, make: Callable[[Path], None]) -> bring._Part:
    return bring._Part(title=name, place=cache / name / "part", make=make)


def test_parts_are_made_side_by_side_and_can_be_read_by_all(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    both = threading.Barrier(2, timeout=60)

    def make(folder: Path) -> None:
        both.wait()
        (folder / "file").touch()

    before, mask = dict(os.environ), os.umask(0o077)
    try:
        bring._complete(cache, [_part(cache, "one", make), _part(cache, "other", make)])
    finally:
        os.umask(mask)
    assert [(cache / name / "part" / "file").stat().st_mode & 0o777 for name in ("one", "other")] == [0o644, 0o644]
    assert "one: " in (said := capfd.readouterr().out) and "other: " in said
    assert dict(os.environ) == before


def test_one_that_fails_ends_what_the_others_wait_for(cache: Path) -> None:
    sleeps = threading.Event()

    def sleep(_: Path) -> None:
        sleeps.set()
        bring._run(sys.executable, "-c", "import time; time.sleep(600)")

    def fail(_: Path) -> None:
        assert sleeps.wait(60)
        raise Failure("no network")

    with pytest.raises(Failure, match="no network"):
        bring._complete(cache, [_part(cache, "one", sleep), _part(cache, "other", fail)])
    # Nothing that looks whole, and nothing half made.
    assert [list((cache / name).iterdir()) for name in ("one", "other")] == [[], []]


@pytest.mark.droplets
def test_a_debian_that_is_interrupted_leaves_nothing_mounted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is deleted with somebody's /sys or /dev in it is more than a folder."""
    folder = cache / "mounted"
    script = "system('mount', '-t', 'tmpfs', 'none', $ARGV[-1]) == 0 or die; print `cat /proc/self/mounts`; sleep 600"
    monkeypatch.setattr(debian, "_archive", lambda _, run: nullcontext(debian._Apt(folder=cache, run=run)))
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")

    def run(*command: str, **_: object) -> str:
        if "perl" not in command:
            return ""
        folder.mkdir(parents=True)
        at = command.index("perl")
        with subprocess.Popen(
            (*command[: at + 1], "-e", f"$| = 1; {script}", str(folder)), stdout=PIPE, text=True
        ) as one:
            assert one.stdout is not None
            assert any(str(folder) in line for line in one.stdout)
            one.kill()
        raise Failure("killed")

    with pytest.raises(Failure, match="killed"):
        debian.system(folder, "bookworm", (), run)
    assert str(folder) not in Path("/proc/self/mounts").read_text()
