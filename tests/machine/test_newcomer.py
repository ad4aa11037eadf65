"""The README as a newcomer follows it: an ordinary user, a login's environment, the oldest Python that is promised."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.person import Person, ordinary_user
from tests.machine.readme import commands
from tests.stacks.harness import open_folder
from trellis.development.bring import bring, cache_folder, minimal_debian

pytestmark = pytest.mark.newcomer


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Person]:
    """With a folder of spaces and umlauts, the narrowest umask, no locale, and a cache that only root can write to."""
    with ordinary_user(LANG="C", TRELLIS_CACHE=str(cache_folder())) as person:
        person.takes(person.home / "Trellis für alle" / "trellis")
        made = person.types("make venv", umask=0o077)
        assert made.code == 0, made.text
        with person.alone_on_the_network():
            yield person


def test_the_main_job(newcomer: Person) -> None:
    first, _tests = "make up", "make test"
    assert commands("Two commands") == [f"{first}\n{_tests}\n"]
    up = newcomer.types(first, umask=0o077)
    assert up.code == 0, up.text
    assert "Try next" in up.text
    for heading in ("From a line of config to a row in a table", "Grow", "Change the schema"):
        for script in commands(heading):
            done = newcomer.types(script, umask=0o077)
            assert done.code == 0, f"{script}\n{done.text}"
    again = newcomer.types("make up && make down", umask=0o077)
    assert again.code == 0, again.text


@pytest.fixture(params=["bookworm", "trixie"])
def stranger(request: pytest.FixtureRequest) -> Iterator[Person]:
    """On a Debian 12 or 13 that has what the README names and nothing else; the caches are handed in."""
    bring()
    (line,) = commands("What a machine needs")
    packages = line.partition("--yes ")[2].split()
    assert "git" in packages, line
    with open_folder() as folder:
        root = folder / "debian"
        subprocess.run(("cp", "--archive", str(minimal_debian(request.param, packages)), str(root)), check=True)
        # What this machine's own network needs.
        for path in ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
            if Path(path).exists():
                shutil.copy(path, root / path.lstrip("/"))
        cache = cache_folder()
        inside = root / str(cache).lstrip("/")
        inside.mkdir(parents=True)
        mounts = (
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"mount --bind {cache} {inside}",
            f"mount -o remount,bind,ro {inside}",
        )
        with (
            ordinary_user(root, TRELLIS_CACHE=str(cache)) as person,
            person.apart("--mount", first="; ".join(mounts)),
        ):
            person.takes(person.home / "trellis")
            made = person.types("make venv")
            assert made.code == 0, made.text
            with person.alone_on_the_network():
                yield person


def test_on_a_minimal_debian(stranger: Person) -> None:
    done = stranger.types("make preview && make up && make down")
    assert done.code == 0, done.text
    assert "digitalocean-databases" in done.text
