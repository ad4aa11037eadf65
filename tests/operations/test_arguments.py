"""Calls that do not fit together, help, and what the terminal gets to see. No server."""

from pathlib import Path

import pytest

from tests.operations.conftest import Trellis
from trellis.operations import terminal
from trellis.operations.arguments import parser
from trellis.operations.cli import main
from trellis.operations.databases import Sources, chosen
from trellis.operations.errors import WrongCall
from trellis.operations.examples import EXAMPLES

URL = "postgresql://admin@127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "--url", URL], "--url needs --folder"),
        (["info", "villa", "--url", URL, "--folder", "x"], "'villa' names a database of a stack"),
        (["info", "--folder", "x"], "--folder belongs to a database without a stack"),
        (["info", "--placeholder", "a=b"], "--placeholder belongs to a database without a stack"),
        (["info", "--url", "postgresql://a:b@[", "--folder", "x"], "The connection string cannot be read"),
        (["check", "villa", "--folder", "x"], "--folder names SQL without one"),
    ],
)
def test_arguments_that_do_not_fit_together(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["undo"], "invalid choice: 'undo'"),
        (["baseline"], "required: --version"),
        (["baseline", "--version", "one"], "'one' is no version"),
        (["migrate", "--target", "1..2"], "'1..2' is no version"),
        (["migrate", "--lock-timeout", "-1"], "'-1' is no number of seconds"),
        (["migrate", "--lock-timeout", "inf"], "'inf' is no number of seconds"),
        (["info", "--placeholder", "name"], "a placeholder is given as name=value"),
        (["check", "--all", "--since", "1"], "not allowed with argument --all"),
        (["check", "--json", "--markdown"], "not allowed with argument --json"),
    ],
)
def test_arguments_that_cannot_be_read(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(EXAMPLES))
def test_help_has_examples_that_parse(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert EXAMPLES[command] in printed
    assert "exit codes:" in printed
    for line in EXAMPLES[command].replace("\\\n", "").splitlines()[1:]:
        call = line.partition("|")[0].split("     ")[0].split()
        if "--dry-run" in call:
            call = call[: call.index("--dry-run") + 1]
        assert parser().parse_args(call[1:]).command == command


def test_the_stack_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRELLIS_STACK", raising=False)
    assert parser().parse_args(["info"]).stack == "dev"
    monkeypatch.setenv("TRELLIS_STACK", "prod")
    assert parser().parse_args(["info"]).stack == "prod"
    assert parser().parse_args(["info", "--stack", "dev"]).stack == "dev"


def test_names_of_databases() -> None:
    known = [
        Sources(name=name, database=name.partition("/")[2], folder=Path(), placeholders={})
        for name in ("a/x", "a/y", "b/x")
    ]
    assert [one.name for one in chosen(known, [])] == ["a/x", "a/y", "b/x"]
    assert [one.name for one in chosen(known, ["y", "b/x", "a/y"])] == ["a/y", "b/x"]
    with pytest.raises(WrongCall, match="several clusters"):
        chosen(known, ["x"])
    with pytest.raises(WrongCall, match="no database 'z'"):
        chosen(known, ["z"])


def test_pulumi_missing_is_said(trellis: Trellis) -> None:
    done = trellis("info", PATH="/nowhere")
    assert done.code == 1
    assert "pulumi is not on PATH. In a checkout `make up` brings it" in done.err


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.paint("x", "red") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.paint("x", "red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.paint("x", "red") == "x"


def test_a_table_is_aligned() -> None:
    assert terminal.table(("a", "ms"), [("long", "1"), ("x", "100")], lambda _: None, right=1).splitlines() == [
        "a      ms",
        "long    1",
        "x     100",
    ]
