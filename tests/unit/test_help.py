"""Every command's help fits a terminal of 80 columns, follows another width, and lists its exit codes."""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import cli
from tools import ROOT
from trellis.operations import arguments

# Commands whose parser is made where they run.
MODULES = [
    "bench",
    *sorted(f"tools.{path.stem}" for path in (ROOT / "tools").glob("*.py") if "ArgumentParser(" in path.read_text()),
]


def walk(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from walk(below)


def parsers_of(module: str) -> Iterator[argparse.ArgumentParser]:
    """The parsers that a command makes when it is asked for help."""
    made: list[argparse.ArgumentParser] = []
    whole = argparse.ArgumentParser.parse_known_args

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        made.append(parser)
        raise SystemExit

    argparse.ArgumentParser.parse_known_args = stop  # type: ignore[assignment,method-assign]
    try:
        name = f"{module}.__main__" if (ROOT / module.replace(".", "/") / "__main__.py").is_file() else module
        importlib.import_module(name).main()
    except SystemExit:
        pass
    finally:
        argparse.ArgumentParser.parse_known_args = whole  # type: ignore[method-assign]
    assert made, f"{module} made no parser"
    yield from walk(made[0])


ALL = [*walk(arguments.parser()), *walk(cli.parser()), *(found for module in MODULES for found in parsers_of(module))]


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: parser.prog)
def test_help_fits_the_terminal(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {}
    for columns in (80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = parser.format_help()
        widths[columns] = max(map(len, shown.splitlines()))
        assert widths[columns] <= columns, shown


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: parser.prog)
def test_help_lists_exit_codes(parser: argparse.ArgumentParser) -> None:
    assert "xit codes:" in parser.format_help()


def test_a_stack_has_one_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for named, expected in ((None, "dev"), ("prod", "prod")):
        monkeypatch.delenv("TRELLIS_STACK", raising=False)
        if named:
            monkeypatch.setenv("TRELLIS_STACK", named)
        found = [
            action.default
            for parser in walk(arguments.parser())
            for action in parser._actions
            if action.dest == "stack"
        ]
        assert len(found) > 9
        assert set(found) == {expected}


@pytest.mark.parametrize("module", ["trellis", "localcloud", "tools.check", "bench"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_closed_pipe_is_no_traceback(module: str, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.stderr == ""


@pytest.mark.parametrize("call", [("localcloud", "status"), ("trellis", "info")], ids=lambda call: call[0])
def test_a_python_without_the_packages_is_told_what_to_do(call: tuple[str, str], tmp_path: Path) -> None:
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    # Without site, no installed package is found.
    done = subprocess.run([python, "-S", "-m", *call], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "has no package" in done.stderr
    assert "`make up` makes an environment that has it." in done.stderr
    assert "Traceback" not in done.stderr
