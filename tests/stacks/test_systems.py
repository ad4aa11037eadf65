"""Every other system: up, grown to scale and destroyed with the real engine, from its committed stack file.

On both sides of 2026-11-30, since which a new Standard cluster has no standby and no read-only node.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from tests.stacks.harness import LocalStack, local_stack, program_copy, servers_of
from tools import ROOT
from trellis.development.bring import Parts

SYSTEMS = sorted(path.stem for path in (ROOT / "systems").glob("*.yaml") if path.stem != "villa")

# What a system's stack is given beyond its committed file.
BEYOND: dict[str, dict[str, Any]] = {"tudao": {"copyTo": {"region": "sfo3", "ipRange": "10.101.0.0/16"}}}


# The jobs of each, all of which go well.
JOBS = {
    name: dict.fromkeys(yaml.safe_load((ROOT / "systems" / f"{name}.yaml").read_text()).get("jobs", ()), True)
    for name in SYSTEMS
}
WITH_DROPLETS = {"freshtrack"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.droplets] if name in WITH_DROPLETS else []) for name in SYSTEMS],
)
def system(request: pytest.FixtureRequest, parts: Parts) -> Iterator[LocalStack]:
    with (
        local_stack(parts, request.param, **BEYOND.get(request.param, {})) as stack,
        pytest.MonkeyPatch.context() as at,
    ):
        _day(at, stack, "2026-11-29", since="2025-01-01")
        stack.up()
        _day(at, stack, "2026-12-01")
        yield stack


def _day(at: pytest.MonkeyPatch, stack: LocalStack, today: str, **account: Any) -> None:
    """Lets program and cloud go by this day."""
    at.setenv("TRELLIS_TODAY", today)
    stack.api("POST", "/_local/account", {"today": today, **account})


def test_it_grows_and_is_destroyed(system: LocalStack) -> None:
    system.must("preview", "--expect-no-changes")
    clusters = {cluster["id"] for cluster in system.api("GET", "/v2/databases")["databases"]}
    _connect_everywhere(system)
    for phase in ("growth", "scale"):
        system.configure(phase=phase)
        system.up()
        assert {cluster["id"] for cluster in system.api("GET", "/v2/databases")["databases"]} == clusters
        _connect_everywhere(system)
    _replicas_refuse_writes(system)
    _is_operated(system)
    system.must("preview", "--expect-no-changes")
    _no_secret_in_plain_text(system)
    system.must("destroy", "--yes", "--skip-preview")
    assert [command for command in servers_of(system.workspace.cloud_state) if "serve" not in command] == []


# The smallest first: FreshTrack without the Droplet that uses it.
LATE = ("freshtrack", "audifi", "tudao", "capsule")


@pytest.mark.soak(short=1, long=len(LATE))
def test_one_made_since_grows_by_a_move(rounds: int, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose cluster was made after 2026-11-30 grows to launch, growth and scale, by a move to the Advanced
    edition, and keeps its rows. (Villa is moved in every run.)"""
    assert {*LATE, "villa"} == {*SYSTEMS, "villa"}
    for name in LATE[:rounds]:
        with program_copy() as program:
            file = program / "systems" / f"{name}.yaml"
            file.write_text(re.sub(r"^droplets:\n( .*\n|\n)*", "", file.read_text(), flags=re.MULTILINE))
            with local_stack(parts, name, root=program) as stack:
                _day(monkeypatch, stack, "2026-12-01", subscriptions=True)
                _grown_by_a_move(stack)


def _grown_by_a_move(stack: LocalStack) -> None:
    stack.up()
    stack.configure(phase="growth")
    stack.up()
    for uris in stack.outputs()["direct_uris"].values():
        for uri in uris.values():
            with stack.connect(uri) as connection:
                connection.execute("CREATE TABLE public.kept (id int PRIMARY KEY)")
                connection.execute("INSERT INTO public.kept SELECT generate_series(1, 3)")
    before = _rows(stack)
    stack.configure(phase="scale")
    assert "A Standard cluster made since 2026-11-30" in " ".join(stack.fails("preview").split())
    stack.configure(edition="advanced", version="17")
    for step in (("start",), ("cutover", "--yes"), ("finish", "--yes")):
        done = stack.trellis("move", *step)
        assert done.code == 0, done.text
    (cluster,) = (one for one in stack.api("GET", "/v2/databases")["databases"] if one["engine"] != "valkey")
    assert (cluster["engine"], cluster["size"]) == ("advanced_pg", "db-s-2vcpu-4gb")
    replicas = stack.api("GET", f"/v2/databases/{cluster['id']}/replicas")["replicas"]
    assert cluster["num_nodes"] + len(replicas) == 2
    stack.must("preview", "--expect-no-changes")
    _connect_everywhere(stack)
    _replicas_refuse_writes(stack)
    assert _rows(stack) == before


def _rows(stack: LocalStack) -> dict[str, int]:
    """How many rows each table has, without the history of migrations: repeatables run again for new logins."""
    found = {}
    for uris in stack.outputs()["direct_uris"].values():
        for database, uri in uris.items():
            with stack.connect(uri) as connection:
                for (name,) in connection.execute(
                    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$'"
                ).fetchall():
                    ((count,),) = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchall()
                    found[f"{database}.{name}"] = count
    return {name: count for name, count in found.items() if not name.endswith("_history")}


def _uris(system: LocalStack) -> list[str]:
    outputs = system.outputs()
    kinds = ("direct_uris", "review_uris", "pooled_uris", "replica_uris")
    uris = [uri for kind in kinds for cluster in outputs[kind].values() for uri in cluster.values()]
    logins = [ways for cluster in outputs["login_uris"].values() for ways in cluster.values()]
    return [*uris, *(uri for ways in logins for uri in ways.values())]


def _connect_everywhere(system: LocalStack) -> None:
    for uri in _uris(system):
        with system.connect(uri) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (urlsplit(uri).username,)


def _replicas_refuse_writes(system: LocalStack) -> None:
    outputs = system.outputs()
    logins = [ways for cluster in outputs["login_uris"].values() for ways in cluster.values()]
    replicas = [{way: uri for way, uri in ways.items() if "-" in way} for ways in logins]
    for cluster in (*outputs["replica_uris"].values(), *replicas):
        for uri in cluster.values():
            with system.connect(uri) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("CREATE TABLE public.written_to_a_replica ()")


def _is_operated(system: LocalStack) -> None:
    """Its jobs run as whom they name, and then there is nothing to be done, grants included."""
    for _ in range(2):
        done = system.trellis("jobs", "run", "--due")
        assert done.code == 0, done.text
    looked = system.trellis("status", "--grants", "--json")
    assert looked.code == 0, looked.text
    found = json.loads(looked.text)
    assert {name: run["ok"] for cluster in found["clusters"] for name, run in cluster["jobs"].items()} == JOBS[
        system.name
    ]
    assert all(number == 0 for cluster in found["clusters"] for number in cluster["checks"].values())
    direct = {way["name"] for cluster in found["clusters"] for way in cluster["ways"] if way["kind"] == "login"}
    assert direct == ({"audifi_analytics in audifi"} if system.name == "audifi" else set())
    assert {"no-statement-statistics", "not-known"} & {one["name"] for one in found["findings"]} == set()


def _no_secret_in_plain_text(system: LocalStack) -> None:
    caches = system.outputs()["cache_uris"].values()
    passwords = {str(urlsplit(uri).password) for uri in (*_uris(system), *caches)}
    assert len(passwords) > len(caches)
    texts = (system.state(), system.must("preview", "--diff"), str(system.journal()))
    assert [password for password in passwords for text in texts if password in text] == []


def test_every_system_has_a_stack_file_and_a_page() -> None:
    for name in SYSTEMS:
        assert (ROOT / f"Pulumi.{name}.yaml").is_file()
        assert (ROOT / "docs" / f"{name}.md").is_file()
        assert list((ROOT / "migrations" / name).rglob("*.sql"))
