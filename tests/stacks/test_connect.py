"""The programs of docs/connect.md, through a pool, as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.clients import PG, node_modules
from tests.ports import free_port
from tests.stacks.harness import DIRECT, LocalStack
from tools import ROOT
from trellis.development.bring import go

PAGE = (ROOT / "docs" / "connect.md").read_text()
EXAMPLE = ROOT / "examples" / "villa-api"
CLIENTS = Path(__file__).resolve().parent / "clients"
JDBC = "42.7.14"

Command = tuple[str, ...]


def _program(language: str, path: Path) -> Path:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    path.write_text(text)
    return path


def _must(*command: str, at: Path) -> None:
    done = subprocess.run(command, cwd=at, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _check(villa: LocalStack, command: Command) -> None:
    outputs = villa.outputs()
    address = outputs["pooled_uris"]["villa-db"]["villa-pool"].partition("?")[0] + "?sslmode=verify-full"
    right = outputs["ca_certificates"]["villa-db"]
    done = _run(command, address, right)
    assert (done.returncode, done.stdout.strip()) == (0, "villa_app"), done.stderr
    refused = _run(command, address, _another_authority(villa.workspace.folder))
    assert refused.returncode != 0
    assert "villa_app" not in refused.stdout
    assert re.search("certificate|signature|PKIX", refused.stderr), refused.stderr


def _run(command: Command, address: str, authority: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "DATABASE_URL": address, "DATABASE_CA_CERT": authority}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _another_authority(folder: Path) -> str:
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _must(*made, "-subj", "/CN=another", "-keyout", "another.key", "-out", "another.crt", at=folder)
    return (folder / "another.crt").read_text()


def test_psql_and_its_like(villa: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(villa.workspace.connect / villa.name / "pg_service.conf"))
    for service, login in (("villa-pool", "villa_app"), ("villa-direct", "doadmin")):
        with psycopg.connect(service=service) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (login,)


def test_python(villa: LocalStack, tmp_path: Path) -> None:
    _check(villa, (sys.executable, str(_program("python", tmp_path / "connect.py"))))


@pytest.mark.clients
def test_node(villa: LocalStack, tmp_path: Path, kept: Callable[[str], Path]) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules(kept, f"pg@{PG}"))
    _check(villa, ("node", str(_program("js", tmp_path / "connect.js"))))


@pytest.mark.clients
def test_the_example_in_typescript(villa: LocalStack, tmp_path: Path, kept: Callable[[str], Path]) -> None:
    """Type-checked, then what it held in memory is brought over, twice, and its routes are asked."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    needs = json.loads((EXAMPLE / "package.json").read_text())
    packages = (
        f"{name}@{version}" for kind in ("dependencies", "devDependencies") for name, version in needs[kind].items()
    )
    (tmp_path / "node_modules").symlink_to(node_modules(kept, *packages))
    _must("node", "node_modules/typescript/bin/tsc", at=tmp_path)
    held = [(f"Näme {number}", f"0x{number:040x}") for number in range(2500)]
    (tmp_path / "held.json").write_text(json.dumps([*held, ("NÄME 7", f"0x{9999:040x}")]))
    outputs = villa.outputs()
    environment = {
        **os.environ,
        "DATABASE_URL": outputs["pooled_uris"]["villa-db"]["villa-pool"].partition("?")[0] + "?sslmode=verify-full",
        "DATABASE_CA_CERT": outputs["ca_certificates"]["villa-db"],
        "PORT": str(free_port()),
    }
    for said in ("2500 added, 0 were there, 1 refused", "0 added, 2500 were there, 1 refused"):
        command = ("node", "build/import.js", "held.json")
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr
        assert f"0x{9999:040x}: NÄME 7 is not taken over" in done.stderr
    api = subprocess.Popen(
        ("node", "build/server.js"), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert api.stdout is not None
        assert api.stdout.readline() == "listening\n"
        _ask_the_example(f"http://127.0.0.1:{environment['PORT']}")
    finally:
        api.terminate()
        api.wait(30)


def _ask_the_example(api: str) -> None:
    def ask(method: str, path: str, **body: str) -> tuple[int, Any]:
        sent = urllib.request.Request(
            f"{api}{urllib.parse.quote(path)}", json.dumps(body).encode() if body else None, method=method
        )
        try:
            with DIRECT.open(sent, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    me, other = f"0x{'a' * 40}", f"0x{'b' * 40}"
    assert ask("GET", "/nicknames/näme 7") == (200, {"available": False})
    assert ask("GET", "/nicknames/Ada") == (200, {"available": True})
    assert ask("POST", "/nicknames/Ada", address=me)[0] == 201
    assert ask("GET", "/nicknames/ ADA ") == (200, {"available": False})
    assert ask("POST", "/nicknames/ada", address=other)[0] == 409
    assert ask("PUT", f"/profiles/{other}", nickname="ada")[0] == 409
    assert ask("PUT", f"/profiles/{me}", nickname="Ada")[1]["nicknameNormalized"] == "ada"
    assert ask("PUT", f"/profiles/{other}", nickname="ADA") == (409, {"error": "the nickname is taken"})
    assert ask("GET", f"/profiles/{me}")[1]["nickname"] == "Ada"
    assert ask("GET", f"/profiles/{other}")[0] == 404
    assert ask("PUT", "/profiles/me", nickname="me")[0] == 400
    with ThreadPoolExecutor(8) as several:
        takers = [f"0x{number:040x}" for number in range(8)]
        codes = list(several.map(lambda one: ask("POST", "/nicknames/eve", address=one)[0], takers))
    assert sorted(codes) == [201, *[409] * 7]


@pytest.mark.clients
def test_go(villa: LocalStack, tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum"):
        shutil.copy(CLIENTS / name, tmp_path)
    _program("go", tmp_path / "main.go")
    _must("env", "GOTOOLCHAIN=auto", str(go()), "build", "-o", "connect", ".", at=tmp_path)
    _check(villa, (str(tmp_path / "connect"),))


@pytest.mark.clients
def test_java(villa: LocalStack, tmp_path: Path, kept: Callable[[str], Path]) -> None:
    driver = kept("jdbc") / f"postgresql-{JDBC}.jar"
    if not driver.exists():
        artifact = f"-Dartifact=org.postgresql:postgresql:{JDBC}"
        _must("mvn", "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={driver.parent}", at=tmp_path)
    _check(villa, ("java", "-cp", str(driver), str(_program("java", tmp_path / "Connect.java"))))
