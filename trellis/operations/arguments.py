"""What the command line takes: subcommands, options and their help."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from trellis.operations.examples import EXAMPLES, exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    Group = argparse._ActionsContainer

DEFAULT_STACK = "dev"
MOVES = ("plan", "start", "status", "verify", "cutover", "rollback", "finish")


class Formatter(argparse.HelpFormatter):
    """Fits paragraphs to the terminal, and leaves lists and examples, whose lines are indented, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = super()._fill_text
        return "\n\n".join(
            part if "\n " in part else filled(part, width, indent) for part in text.strip().split("\n\n")
        )


class _Version(argparse.Action):
    """Looks the versions up when they are asked for, and not before."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from trellis.operations.versions import describe

        parser.exit(message=f"{describe()}\n")


def add_stack(command: "Group") -> None:
    """The option that names the stack: one default for every command."""
    command.add_argument(
        "--stack",
        default=os.environ.get("TRELLIS_STACK") or DEFAULT_STACK,
        help=f"the stack's name (default: TRELLIS_STACK, else {DEFAULT_STACK})",
    )


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command. The result names the subcommand as `command`."""
    root = argparse.ArgumentParser(
        prog="trellis",
        description="Day-2 work on a Trellis stack: its databases' migrations, and what a killed deployment left open.",
        epilog=f"`trellis COMMAND --help` shows a command's options and examples.\n\n{exit_codes()}",
        formatter_class=Formatter,
    )
    root.add_argument(
        "--version", action=_Version, help="show the versions of this program, the engine and its packages"
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, description, add) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=f"{EXAMPLES[name]}\n\n{exit_codes(name)}",
            formatter_class=Formatter,
        )
        add(command)
    return root


def _migrate(command: argparse.ArgumentParser) -> None:
    _which(command)
    command.add_argument("--dry-run", action="store_true", help="show what would be applied, and apply nothing")
    command.add_argument("--target", type=_version, metavar="VERSION", help="newest version to apply")
    _tolerance(command)
    command.add_argument(
        "--lock-timeout", type=_seconds, metavar="SECONDS", help="longest wait of a statement for a lock (default: 5)"
    )
    command.add_argument(
        "--statement-timeout", type=_seconds, metavar="SECONDS", help="longest run of a statement (default: no limit)"
    )
    command.add_argument(
        "--lock-wait", type=_seconds, metavar="SECONDS", help="longest wait for another migrator (default: 600)"
    )
    _json(command)


def _info(command: argparse.ArgumentParser) -> None:
    _which(command)
    command.add_argument("--target", type=_version, metavar="VERSION", help="what lies above is not pending")
    _tolerance(command)
    command.add_argument("--exit-code", action="store_true", help="exit with 3 when migrations are pending")
    _json(command)


def _validate(command: argparse.ArgumentParser) -> None:
    _which(command)
    _tolerance(command)
    _json(command)


def _repair(command: argparse.ArgumentParser) -> None:
    _which(command)
    command.add_argument("--allow-missing", action="store_true", help="leave migrations whose file is gone as they are")
    _confirmation(command)
    _json(command)


def _baseline(command: argparse.ArgumentParser) -> None:
    _which(command, folder=False)
    command.add_argument(
        "--version", type=_version, required=True, help="the version that the database is at, for example 1.0.0"
    )
    _confirmation(command)
    _json(command)


def _reset(command: argparse.ArgumentParser) -> None:
    _which(command, single=False)
    _confirmation(command)
    _json(command)


def _check(command: argparse.ArgumentParser) -> None:
    _which(command)
    files = command.add_mutually_exclusive_group()
    files.add_argument("--all", action="store_true", help="every file; no database is asked what is pending")
    files.add_argument(
        "--since", type=_version, metavar="VERSION", help="versions above this one, and repeatables; no database either"
    )
    _reviewer(command)
    _shadow(command)
    output = command.add_mutually_exclusive_group()
    _json(output)
    output.add_argument("--markdown", action="store_true", help="a report for a pull request on stdout")


def _preview_report(command: argparse.ArgumentParser) -> None:
    add_stack(command)
    command.add_argument(
        "--config-file", type=Path, help="the stack's config file, where it is not Pulumi.<stack>.yaml"
    )
    command.add_argument(
        "--policy-config",
        type=Path,
        metavar="FILE",
        help="settings of the policy pack (default: policies.<stack>.json, where it is there)",
    )
    command.add_argument(
        "--base",
        type=Path,
        metavar="FOLDER",
        help="a checkout of what a pull request goes to: its policies and their settings judge, not the pull request's",
    )
    command.add_argument(
        "--may-change",
        action="append",
        default=[],
        metavar="FILE",
        help="a file of the policies, their settings or .github that the pull request may change",
    )
    _may_delete(command)
    _reviewer(command)
    _shadow(command)
    command.add_argument("--output", type=Path, metavar="FILE", help="where the report goes (default: stdout)")
    _json(command)
    command.set_defaults(databases=[], url=None, folder=None, placeholders=[], schema="public")


def _diagram(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group()
    add_stack(what)
    what.add_argument("--system", type=Path, metavar="FILE", help="a system file, in launch; no stack is read")
    command.add_argument(
        "--config-file", type=Path, help="the stack's config file, where it is not Pulumi.<stack>.yaml"
    )
    command.add_argument("--phase", choices=("launch", "growth", "scale"), help="draw this phase")
    command.add_argument("--output", type=Path, metavar="FILE", help="where the drawing goes (default: stdout)")


def _may_delete(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--may-delete",
        action="append",
        default=[],
        metavar="NAME",
        help="a cluster, database, volume or bucket of the stack that may be deleted or replaced, with its data",
    )


def _up(command: argparse.ArgumentParser) -> None:
    _recover(command)
    _may_delete(command)
    command.add_argument(
        "pulumi", nargs="*", metavar="OPTION", help="further options of `pulumi up`, after --, for example -- --refresh"
    )


def _move(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=MOVES, metavar="ACTION")
    command.add_argument("clusters", nargs="*", metavar="CLUSTER", help="names in the system file (default: all)")
    _recover(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument(
        "--by-copy",
        action="store_true",
        help="plan, start: copy all rows at the cut, where no stream is possible; writes pause for so long",
    )
    command.add_argument(
        "--dump-folder",
        type=Path,
        metavar="DIR",
        help="finish: where the last dump of a cluster that goes is kept (default: .trellis/dumps/<stack>)",
    )
    command.add_argument("--no-dump", dest="dump", action="store_false", help="finish: make no last dump")
    command.add_argument(
        "--leave",
        action="append",
        default=[],
        metavar="SCHEMA.TABLE",
        help="a foreign server's table that stays behind; may be given several times",
    )
    _json(command)
    command.set_defaults(databases=[], url=None, folder=None, schema="public")


def _recover(command: argparse.ArgumentParser) -> None:
    add_stack(command)
    command.add_argument(
        "--config-file", type=Path, help="the stack's config file, where it is not Pulumi.<stack>.yaml"
    )


def _new(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "what", nargs="+", metavar="NAME", help="a repository's name; or `system` and a name; or `migration` and a text"
    )
    command.add_argument("--folder", type=Path, metavar="DIR", help="where the repository goes (default: its name)")
    command.add_argument("--system", metavar="NAME", help="the system of a migration (default: the only one)")
    command.add_argument("--database", metavar="NAME", help="the database of a migration (default: the only one)")


def _dev(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "action", choices=tuple("up preview down clean parts postgresql plugins".split()), metavar="ACTION"
    )
    command.add_argument("kind", nargs="?", choices=("official", "bundled"), help="of plugins, to switch to")
    add_stack(command)


def _which(command: argparse.ArgumentParser, *, folder: bool = True, single: bool = True) -> None:
    stack = command.add_argument_group("a stack's databases")
    stack.add_argument(
        "databases", nargs="*", metavar="DATABASE", help="cluster/database, or a database's name (default: all)"
    )
    add_stack(stack)
    stack.add_argument("--config-file", type=Path, help="the stack's config file, where it is not Pulumi.<stack>.yaml")
    if not single:
        command.set_defaults(url=None, folder=None, schema="public")
        return
    without_stack = command.add_argument_group("a database without a stack")
    without_stack.add_argument(
        "--url", help="postgresql://user@host:port/database; the password in PGPASSWORD or a password file"
    )
    without_stack.add_argument("--schema", default="public", help="schema that is migrated (default: public)")
    if folder:
        without_stack.add_argument("--folder", type=Path, help="the folder of its SQL")
        without_stack.add_argument(
            "--placeholder",
            action="append",
            default=[],
            type=_placeholder,
            metavar="NAME=VALUE",
            dest="placeholders",
            help="a value for ${NAME} in the SQL; may be given several times",
        )


def _reviewer(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--reviewer",
        action="store_true",
        help="reach a stack's databases as trellis_review_<database>, which reads catalogs and history and no row; the"
        " schema is then what the applied files make",
    )


def _shadow(command: argparse.ArgumentParser) -> None:
    shadow = command.add_argument_group("the shadow run").add_mutually_exclusive_group()
    named = os.environ.get("TRELLIS_POSTGRESQL")
    shadow.add_argument(
        "--postgresql",
        type=Path,
        default=Path(named) if named else None,
        metavar="FOLDER",
        help="a PostgreSQL installation, or a folder with one a major version (default: TRELLIS_POSTGRESQL, else the"
        " one of this machine)",
    )
    shadow.add_argument("--no-shadow", action="store_true", help="look at the files only, run nothing")


def _tolerance(command: "Group") -> None:
    command.add_argument(
        "--out-of-order", action="store_true", help="a version below the current one may still be applied"
    )
    command.add_argument("--allow-missing", action="store_true", help="applied migrations may lack their file")


def _confirmation(command: "Group") -> None:
    command.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _json(command: "Group") -> None:
    command.add_argument("--json", action="store_true", help="the result as JSON on stdout (docs/command.md)")


def _version(text: str) -> str:
    from trellis.migrator.versions import is_version

    if not is_version(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no version: whole numbers joined by dots, for example 1.2.0")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: 0 (no limit) or more")
    return seconds


def _placeholder(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("a placeholder is given as name=value")
    return name, value


_COMMANDS: "dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None]]]" = {
    "migrate": (
        "apply what is pending",
        "Applies the pending migrations, as `pulumi up` does. Several databases side by side; each failure is named.",
        _migrate,
    ),
    "info": ("show where each migration stands", "Shows every migration and where it stands.", _info),
    "validate": (
        "list everything that stands in the way of migrate",
        "Compares files and history, and lists every complaint. Pending migrations are none.",
        _validate,
    ),
    "repair": (
        "make the history agree with the files",
        "Removes rows of failed migrations, marks migrations without a file as deleted, and takes over checksums and\n"
        "descriptions of changed files. Changes the history table only, never the schema. Says what it will do first.",
        _repair,
    ),
    "baseline": (
        "record that a database without history is at a version",
        "Writes down that a database is at a version, so that migrations up to it do not run.",
        _baseline,
    ),
    "reset": (
        "empty a development database and migrate it anew",
        "Deletes everything in the databases and applies their migrations, and the stack's test data, from the start.\n"
        "Refused in production. Says first what is lost.",
        _reset,
    ),
    "check": (
        "review the SQL of migrations before they run",
        "Reviews pending migrations for what blocks readers and writers, breaks the running version of an app or\n"
        "loses data: squawk's rules and Trellis's own. Runs them on a throw-away copy of the database, without its\n"
        "rows, and shows how its schema changes. The database itself is only read.",
        _check,
    ),
    "preview-report": (
        "say what a pull request would do to a stack",
        "Previews the stack with the policy pack, reviews its pending migrations, and writes one report: resources,\n"
        "running connections, policies, migrations with their locks, how the schema changes, cost. Changes nothing.\n"
        "Needs the credentials that `pulumi preview` needs. Exits with 4 when the report holds the pull request up.",
        _preview_report,
    ),
    "diagram": (
        "draw what a stack builds",
        "Draws a system as a Mermaid flowchart, which GitHub shows as a picture: DNS names, apps, pools, clusters\n"
        "with plan and connections, replicas, caches and Droplets in their network. Reads files, asks no cloud.",
        _diagram,
    ),
    "up": (
        "deploy, as `pulumi up` does, with recovery before and the fallback after",
        "Finishes what a killed run left open, then runs `pulumi up`, and goes on with what was made although its\n"
        "create failed. Deletes or replaces no data of a stack that is not a development one, unless --may-delete\n"
        "names it. Where DigitalOcean cannot make a managed\n"
        "cluster and trellis:fallback is self-hosted, says so, writes trellis:mode into the stack's config, and goes\n"
        "on with a Droplet; a config that has to be committed then makes the exit code 1. A cluster that exists is\n"
        "never left. Needs the credentials that `pulumi up` needs.",
        _up,
    ),
    "move": (
        "move a stack's clusters to new ones while they are in use",
        "Moves what cannot change in place: to another version, edition or smaller plan; and what comes from another\n"
        "provider. The files say what is wanted; each step can be killed anywhere and run again.\n\n"
        "  plan      what would move, and what stands in the way\n"
        "  start     deploy a second cluster beside the first; copy it, and follow\n"
        "  status    who takes writes, and how far the other is behind\n"
        "  verify    compare every row of both, as of one moment\n"
        "  cutover   deploy the apps to the new cluster, and let it take the writes\n"
        "  rollback  the same the other way; nothing is lost\n"
        "  finish    end the streams and delete the cluster that is not used",
        _move,
    ),
    "recover": (
        "finish what a killed `pulumi up` left open",
        "Takes what an interrupted `pulumi up` had created, but not yet recorded, into the stack's state.\n"
        "Does nothing when nothing is open. Needs the credentials that `pulumi up` needs.",
        _recover,
    ),
    "new": (
        "write a repository, a system or a migration",
        "Writes files to begin with, and never over one that is there:\n\n"
        "  trellis new NAME               a repository of your own\n"
        "  trellis new system NAME        one more system in it\n"
        "  trellis new migration TEXT     an empty migration with the next version",
        _new,
    ),
    "dev": (
        "run a stack on the local cloud",
        "Runs a stack on the local cloud of this machine, as `make` does:\n\n"
        "  up          bring what is missing, start the local cloud, deploy the stack\n"
        "  preview     show what up would change\n"
        "  down        destroy the stack; stop the local cloud when no other uses it\n"
        "  clean       stop the local cloud and delete its data\n"
        "  parts       bring Pulumi and the servers; show where each is\n"
        "  postgresql  bring the server that `check` tries migrations on\n"
        "  plugins     show the plugins for clouds; switch to official or bundled",
        _dev,
    ),
}
