"""FreshTrack moves from a Droplet of its own to DigitalOcean and back, while it is written to."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.stacks.harness import LocalStack, local_stack
from trellis.development.bring import Parts

pytestmark = pytest.mark.droplets

CLUSTER = "freshtrack-db"


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[LocalStack]:
    with local_stack(parts, "freshtrack", mode="self-hosted") as stack:
        stack.up()
        yield stack


class Writer(threading.Thread):
    """Notes one place a transaction, on whichever side takes it."""

    def __init__(self, *ways: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.committed: list[str] = []
        self._ways = ways
        self._ended = threading.Event()

    def run(self) -> None:
        at = 0
        while not self._ended.is_set():
            try:
                with psycopg.connect("", autocommit=True, **self._ways[at % len(self._ways)]) as connection:
                    while not self._ended.is_set():
                        name = f"site {len(self.committed)} {id(self)}"
                        connection.execute("INSERT INTO sites (name, kind) VALUES (%s, 'farm')", (name,))
                        self.committed.append(name)
                        self._ended.wait(0.02)
            except psycopg.Error:
                at += 1
                self._ended.wait(0.2)

    def end(self) -> None:
        self._ended.set()
        self.join(60)


@pytest.mark.soak(short=1, long=2)
def test_to_digitalocean_and_back(stack: LocalStack, rounds: int) -> None:
    """Writes go there, back and there again; in the long form the cluster then leaves DigitalOcean the same way."""
    modes = ("self-hosted", "managed", "self-hosted")
    for number in range(rounds):
        old, new = (CLUSTER, f"{CLUSTER}-2", f"{CLUSTER}-3")[number:][:2]
        _moves(stack, mode=modes[number + 1], before=modes[number], old=old, new=new)


def _moves(stack: LocalStack, *, mode: str, before: str, old: str, new: str) -> None:
    moves = yaml.safe_load(stack.config_file.read_text())["config"].get("trellis:moves")
    stack.configure(mode=mode, moves=moves)
    since = len(stack.journal())
    assert "Or move them: `trellis move plan` tells what it takes." in flat(stack.fails("preview"))
    plan = must(stack, "plan", "--by-copy")
    assert f"{CLUSTER}: mode {before} → {mode}" in plan
    assert "Writes pause at the cut while all rows are copied: for about " in plan
    assert stack.changes(since) == []
    must(stack, "start", "--by-copy")
    writer = Writer(*(way(stack, side) for side in ("old", "new")))
    writer.start()
    try:
        assert f"writes go to {old}/freshtrack" in must(stack, "status")
        refused = stack.trellis("move", "cutover")
        assert refused.code == 1
        assert f"Writes to {old}/freshtrack would pause for about " in flat(refused.text)
        for action, server in (("cutover", new), ("rollback", old), ("cutover", new)):
            told = must(stack, action, "--yes")
            assert f"{server} takes writes. They paused for " in told
            assert "hold the same" in told
        assert f"writes go to {new}/freshtrack" in must(stack, "status")
        with psycopg.connect("", **reviewer(stack)) as connection:
            assert connection.execute("SELECT count(*) > 1 FROM flyway_schema_history").fetchone() == (True,)
    finally:
        writer.end()
    assert len(writer.committed) > 50
    folder = stack.workspace.folder / "kept"
    must(stack, "finish", "--yes", "--dump-folder", str(folder))
    assert (folder / f"{old}.freshtrack.dump").stat().st_size > 0
    stack.must("preview", "--expect-no-changes")
    with stack.connect(stack.outputs()["pooled_uris"][CLUSTER]["app-pool"]) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sites").fetchall()}
    assert set(writer.committed) <= found
    droplets = {one["name"] for one in stack.api("GET", "/v2/droplets")["droplets"]}
    clusters = {one["name"] for one in stack.api("GET", "/v2/databases").get("databases") or ()}
    expected = ({"freshtrack-app"}, {new}) if mode == "managed" else ({"freshtrack-app", new}, set())
    assert (droplets, clusters) == expected


def must(stack: LocalStack, action: str, *options: str) -> str:
    done = stack.trellis("move", action, *options)
    assert done.code == 0, done.text
    return done.text


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def way(stack: LocalStack, side: str) -> dict[str, Any]:
    """The administrator's, before the cut: the stack's is the old one, the one beside it the new one."""
    outputs = stack.outputs()
    beside = outputs["moving"][CLUSTER]
    uris, authority = (
        (outputs["direct_uris"][CLUSTER], outputs["ca_certificates"][CLUSTER])
        if side == "old"
        else (beside["direct_uris"], beside["ca_certificate"])
    )
    return _parameters(stack, uris["freshtrack"], side, authority)


def reviewer(stack: LocalStack) -> dict[str, Any]:
    """The reviewer's, on the cluster that applications use."""
    outputs = stack.outputs()
    uri = outputs["review_uris"][CLUSTER]["freshtrack"]
    return _parameters(stack, uri, "review", outputs["ca_certificates"][CLUSTER])


def _parameters(stack: LocalStack, uri: str, name: str, authority: str) -> dict[str, Any]:
    file = Path(stack.workspace.folder, f"{name}.crt")
    file.write_text(authority)
    return dict(psycopg.conninfo.conninfo_to_dict(uri, sslrootcert=str(file)))
