"""The README as a newcomer follows it: an ordinary user, a login's environment, the oldest Python that is promised."""

from collections.abc import Iterator

import pytest

from tests.machine.person import Person, ordinary_user
from tests.machine.readme import commands
from tools.bring import cache_folder


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
