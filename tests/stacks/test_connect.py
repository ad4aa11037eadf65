"""The programs of docs/connect.md, through a pool, as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import PG, node_modules
from tests.stacks.harness import LocalStack
from tools import ROOT
from trellis.development.bring import go

PAGE = (ROOT / "docs" / "connect.md").read_text()
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


def test_python(villa: LocalStack, tmp_path: Path) -> None:
    _check(villa, (sys.executable, str(_program("python", tmp_path / "connect.py"))))


@pytest.mark.clients
def test_node(villa: LocalStack, tmp_path: Path, kept: Callable[[str], Path]) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules(kept, f"pg@{PG}"))
    _check(villa, ("node", str(_program("js", tmp_path / "connect.js"))))


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
