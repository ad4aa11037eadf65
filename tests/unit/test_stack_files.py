"""What is wrong in a stack's file is said before anything is started, and another system's file stops nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import ROOT
from trellis.development.dev import zones

ENDPOINT = "config:\n  digitalocean:apiEndpoint: "
ALLOWED = "is no address of a local cloud. Allowed: http://127.0.0.1:<port>"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: trellis\nruntime: python\n")
    (tmp_path / "systems").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Pulumi.dev.yaml: expected keys and values at the top"),
        (b"config:\n", "Pulumi.dev.yaml: expected `config:` and below it the stack's keys."),
        (b"encryptionsalt: v1:x\n", "Pulumi.dev.yaml: expected `config:` and below it the stack's keys."),
        (b"config: [1]\n", "Pulumi.dev.yaml: expected `config:` and below it the stack's keys."),
        (b"config:\n  a: [\n", "Pulumi.dev.yaml:3: not valid YAML:"),
        (b"\x7fELF\x00\xff", "Pulumi.dev.yaml: not UTF-8 at byte 5."),
        (b"config:\n  a: \x00\n", "Pulumi.dev.yaml: not valid YAML: a character"),
        (b"[" * 3000, "Pulumi.dev.yaml: nested too deeply"),
        ((ENDPOINT + "http://127.0.0.1:99999\n").encode(), f"'http://127.0.0.1:99999' {ALLOWED}"),
        ((ENDPOINT + "http://127.0.0.1:abc\n").encode(), f"'http://127.0.0.1:abc' {ALLOWED}"),
        ((ENDPOINT + "http://127.0.0.1\n").encode(), f"'http://127.0.0.1' {ALLOWED}"),
        ((ENDPOINT + "7080\n").encode(), f"7080 {ALLOWED}"),
        ((ENDPOINT + "https://api.digitalocean.com\n").encode(), f"'https://api.digitalocean.com' {ALLOWED}"),
    ],
)
def test_a_stack_file_that_cannot_be_used(repository: Path, content: bytes, said: str) -> None:
    (repository / "Pulumi.dev.yaml").write_bytes(content)
    command = (sys.executable, "-m", "trellis", "dev", "preview", "--stack", "dev")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("error: Pulumi.dev.yaml")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert {path.name for path in repository.iterdir()} == {"Pulumi.yaml", "Pulumi.dev.yaml", "systems"}


def test_broken_files_of_others_name_no_zone(repository: Path) -> None:
    (repository / "Pulumi.dev.yaml").write_text("config:\n  trellis:dnsZone: staging.example\n")
    (repository / "Pulumi.prod.yaml").write_bytes(b"\xff")
    for name, content in {
        "good": "dns: {zone: good.example}",
        "empty": "",
        "broken": "{",
        "listed": "dns: [1]",
        "numbered": "dns: {zone: 7}",
        "many": "dns: {zone: [a.example, b.example]}",
    }.items():
        (repository / "systems" / f"{name}.yaml").write_text(content)
    assert zones(repository) == ["good.example", "staging.example"]
