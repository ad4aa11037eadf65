"""What `trellis run` gives a program is what App Platform gives the app, on the hosts that this machine reaches."""

from pathlib import Path
from typing import Any

import pytest

from tests.told import told
from tests.unit.recorder import record
from trellis import settings
from trellis.operations import app_environment
from trellis.operations.errors import WrongCall
from trellis.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
# As App Platform fills them in when a deployment starts.
BINDABLE = {
    "${db.USERNAME}": "audifi_app",
    "${db.PASSWORD}": "p@ss/word",
    "${db.CA_CERT}": "-----BEGIN CERTIFICATE-----",
    "${cache.USERNAME}": "default",
    "${cache.PASSWORD}": "admin-password",
    "${cache.CA_CERT}": "-----BEGIN CERTIFICATE-----",
}


def loaded(system: str, **config: str) -> Settings:
    chosen = {f"trellis:{key}": value for key, value in config.items()}
    return settings.load({"trellis:system": system, **told(system), **chosen}, ROOT, stack=system)


def given(name: str, chosen: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """An app's environment by this command, and by its spec on App Platform."""
    recorder, outputs = record(chosen, ROOT)
    here = app_environment.environment(app_environment.found(name, chosen), chosen, outputs)
    there = {one["key"]: one["value"] for one in recorder.of("App")[name]["spec"]["services"][0]["envs"]}
    for reference, value in BINDABLE.items():
        there = {key: text.replace(reference, value) for key, text in there.items()}
    return here, there


@pytest.mark.parametrize("phase", ["launch", "scale"])
@pytest.mark.parametrize("caches", ["[]", '["main"]'])
def test_a_program_gets_what_the_app_gets(phase: str, caches: str) -> None:
    for inside in ("public", "private"):
        chosen = loaded("audifi", phase=phase, caches=caches, migrationEndpoint=inside)
        here, there = given("audifi-api", chosen)
        if inside == "public":
            there = {key: text.replace("@private-", "@") for key, text in there.items()}
        # In a URI a character that has a meaning there is written as in an address.
        there = {key: text.replace(":p@ss/word@", ":p%40ss%2Fword@") for key, text in there.items()}
        assert here == there
        assert bool(here["AUDIFI_REDIS_URL"]) == (caches != "[]")
        assert bool(here["AUDIFI_DATABASE_REPLICA_URL"]) == (phase == "scale")
        assert app_environment.found("audifi-api", chosen).names == (*here,)


def test_an_app_without_a_database() -> None:
    here, there = given("villa-web", loaded("villa"))
    assert here == there
    assert here == {"NEXT_PUBLIC_API_URL": "https://api.villa.cash"}


def test_a_pool_serves_a_program_that_is_no_app() -> None:
    for mode in ("managed", "self-hosted"):
        chosen = loaded("freshtrack", mode=mode)
        _, outputs = record(chosen, ROOT)
        for name in ("app-pool", "freshtrack-db/app-pool"):
            values: dict[str, Any] = app_environment.environment(app_environment.found(name, chosen), chosen, outputs)
            assert values["DATABASE_URL"] == outputs["pooled_uris"]["freshtrack-db"]["app-pool"]
            assert values["DATABASE_CA_CERT"] == outputs["ca_certificates"]["freshtrack-db"]


def test_who_is_not_known_is_told_who_is() -> None:
    with pytest.raises(WrongCall, match=r"no app 'vila-api'. Apps: villa-api, villa-web. Pools.*villa-db/villa-pool"):
        app_environment.found("vila-api", loaded("villa"))
    with pytest.raises(WrongCall, match=r"freshtrack has no app 'x'. Apps: none. Pools.*freshtrack-db/app-pool"):
        app_environment.found("x", loaded("freshtrack"))
