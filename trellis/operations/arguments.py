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
# The answers of a command that is about all databases of a stack to what others ask.
WHOLE_STACK = {"databases": (), "url": None, "folder": None, "schema": "public"}
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
    command.add_argument(
        "--backup", action="store_true", help="first make a backup in backups.to, where anything is pending"
    )
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
    _which(command)
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
    command.set_defaults(**WHOLE_STACK, placeholders=[])


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
    gate = command.add_argument_group("a PgBouncer in front, for cutover and rollback (docs/move.md)")
    gate.add_argument("--gate", metavar="URL", help="its admin console; the password in PGPASSWORD or a password file")
    gate.add_argument(
        "--gate-config", metavar="COMMAND", help="writes its configuration for the cluster told as JSON on stdin"
    )
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
    command.set_defaults(**WHOLE_STACK)


def _backup(command: argparse.ArgumentParser) -> None:
    _recover(command)
    command.add_argument(
        "--to",
        metavar="PLACE",
        help="a folder, spaces://bucket/prefix, or `spaces` for the bucket of backups.to (default: backups.to)",
    )
    command.add_argument(
        "--recipient",
        action="append",
        default=[],
        dest="recipients",
        metavar="KEY",
        help="one more public key of age to encrypt to, besides backups.recipients",
    )
    command.add_argument("--new-key", type=Path, metavar="FILE", help="only write a new secret key to this file")
    _json(command)
    command.set_defaults(**WHOLE_STACK)


def _drill(command: argparse.ArgumentParser) -> None:
    _clusters(command)
    what = command.add_mutually_exclusive_group()
    what.add_argument("--at", metavar="TIME", help="a moment of the past, UTC: 2026-01-31T19:25:22Z (default: now)")
    what.add_argument("--sweep", action="store_true", help="only delete what drills that were killed have left")
    _from(what)
    _identity(command)
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="where the report goes (default: .trellis/drills/<stack>/)"
    )
    _json(command)


def _rescue(command: argparse.ArgumentParser) -> None:
    _recover(command)
    when = command.add_mutually_exclusive_group(required=True)
    when.add_argument("--at", metavar="TIME", help="a moment when the rows were there, UTC: 2026-01-31T19:25:22Z")
    _from(when)
    _identity(command)
    command.add_argument(
        "--table",
        action="append",
        required=True,
        dest="tables",
        metavar="NAME",
        help="a table, with its schema where several have the name; may be given several times",
    )
    command.add_argument("--where", metavar="SQL", help="only rows that this was true of then")
    command.add_argument(
        "--changed", action="store_true", help="also set rows back that are there and differ; their later writes go"
    )
    command.add_argument(
        "--database", metavar="NAME", help="cluster/database, or a database's name, where the stack has several"
    )
    _confirmation(command)
    _json(command)
    command.set_defaults(**WHOLE_STACK, clusters=[])


def _clusters(command: argparse.ArgumentParser) -> None:
    command.add_argument("clusters", nargs="*", metavar="CLUSTER", help="names in the system file (default: all)")
    _recover(command)
    command.set_defaults(**WHOLE_STACK)


def _restore_from(command: argparse.ArgumentParser) -> None:
    backup = command.add_argument_group("from a backup, without a stack or a cloud")
    _from(backup)
    _identity(backup)
    backup.add_argument(
        "--to",
        metavar="URL",
        help="postgresql://user@host:port/database, which is empty; the password in PGPASSWORD or a password file",
    )
    backup.add_argument("--region", default="nyc3", help="where the bucket is (default: nyc3)")
    backup.add_argument(
        "--database", metavar="NAME", help="cluster/database, or a database's name, where the backup has several"
    )
    _json(backup)


def _from(command: "Group") -> None:
    command.add_argument(
        "--from",
        dest="backup",
        metavar="BACKUP",
        help="a backup's folder or spaces://bucket/prefix/stack/time; without its time the newest there",
    )


def _identity(command: "Group") -> None:
    named = os.environ.get("TRELLIS_IDENTITY")
    command.add_argument(
        "--identity",
        type=Path,
        default=Path(named) if named else None,
        metavar="FILE",
        help="the secret key of a backup that is encrypted (default: TRELLIS_IDENTITY)",
    )


def _status(command: argparse.ArgumentParser) -> None:
    _recover(command)
    command.add_argument(
        "--watch", type=_seconds, metavar="SECONDS", help="look again, so many seconds after each look, until Ctrl-C"
    )
    command.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="also write one page with plots, which needs nothing beside it (pygal)",
    )
    command.add_argument(
        "--metrics", type=Path, metavar="FILE", help="also write the figures and findings as Prometheus reads them"
    )
    command.add_argument(
        "--grants",
        action="store_true",
        help="compare what roles hold with what the files give, built on a throw-away server of this machine",
    )
    _postgresql(command)
    _json(command)
    command.set_defaults(**WHOLE_STACK)


def _monitoring(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="where the files go")
    _recover(command)
    mail = command.add_argument_group("by mail, to the addresses of trellis:contacts")
    mail.add_argument(
        "--smtp", metavar="HOST:PORT", help="the mail server; it must offer TLS, unless it is this machine"
    )
    mail.add_argument("--smtp-from", metavar="ADDRESS", help="who sends")
    mail.add_argument("--smtp-user", metavar="NAME", help="its login; the password is in TRELLIS_SMTP_PASSWORD")
    command.add_argument(
        "--webhook",
        default=os.environ.get("TRELLIS_WEBHOOK"),
        metavar="URL",
        help="where Alertmanager sends its JSON (default: TRELLIS_WEBHOOK, which no list of processes shows)",
    )
    command.add_argument(
        "--interval",
        type=int,
        default=15,
        metavar="SECONDS",
        help="between two looks of Prometheus, half of those of `trellis status` (default: 15)",
    )
    command.add_argument(
        "--port",
        type=int,
        default=9090,
        help="Prometheus' on the loopback; Alertmanager's is 3 further on, node_exporter's 10 (default: 9090)",
    )
    command.set_defaults(**WHOLE_STACK)


def _jobs(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=("run",), metavar="ACTION")
    command.add_argument("names", nargs="*", metavar="JOB", help="run these now, whether due or not")
    command.add_argument(
        "--due", action="store_true", help="run those whose time has come and that have not run for it"
    )
    _recover(command)
    _json(command)
    command.set_defaults(**WHOLE_STACK)


def _rotate(command: argparse.ArgumentParser) -> None:
    command.add_argument("users", nargs="*", metavar="USER", help="users of the system file")
    command.add_argument("--all", action="store_true", help="every user of the stack")
    command.add_argument("--administrator", action="store_true", help="the administrator, of every cluster")
    command.add_argument(
        "--wait",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="how long to wait for clients that still use the old login, before it is reset (default: 300)",
    )
    command.add_argument(
        "--force", action="store_true", help="reset the old login although somebody still uses it: it has leaked"
    )
    _recover(command)
    _confirmation(command)
    _json(command)
    command.set_defaults(**WHOLE_STACK)


def _restore(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "action",
        nargs="?",
        choices=("start", "cutover", "rollback", "finish"),
        metavar="ACTION",
        help="a step; none with --from",
    )
    command.add_argument("clusters", nargs="*", metavar="CLUSTER", help="names in the system file (default: all)")
    command.add_argument("--at", metavar="TIME", help="start: the second, for example 2026-01-31T19:25:22Z")
    _recover(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    _restore_from(command)
    command.set_defaults(**WHOLE_STACK)


def _facts(command: argparse.ArgumentParser) -> None:
    _recover(command)
    _json(command)


def _recover(command: argparse.ArgumentParser) -> None:
    add_stack(command)
    command.add_argument(
        "--config-file", type=Path, help="the stack's config file, where it is not Pulumi.<stack>.yaml"
    )


def _env(command: argparse.ArgumentParser) -> None:
    command.add_argument("app", metavar="APP", help="an app of the system; or a pool, as cluster/pool or its name")
    _recover(command)
    _json(command)
    command.set_defaults(**WHOLE_STACK)


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("app", metavar="APP", help="an app of the system; or a pool, as cluster/pool or its name")
    _recover(command)
    # All that follows belongs to the program, a `--` of its own and its options too.
    command.add_argument(
        "program", nargs=argparse.PARSER, metavar="COMMAND", help="the program and its arguments, after --"
    )
    command.set_defaults(**WHOLE_STACK)


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


def _which(command: argparse.ArgumentParser, *, single: bool = True) -> None:
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
    _postgresql(shadow)
    shadow.add_argument("--no-shadow", action="store_true", help="look at the files only, run nothing")


def _postgresql(command: "Group") -> None:
    named = os.environ.get("TRELLIS_POSTGRESQL")
    command.add_argument(
        "--postgresql",
        type=Path,
        default=Path(named) if named else None,
        metavar="FOLDER",
        help="a PostgreSQL installation, or a folder with one a major version (default: TRELLIS_POSTGRESQL, else the"
        " one of this machine)",
    )


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
    "backup": (
        "dump every database of a stack, and keep the dumps elsewhere",
        "Dumps each database as of one moment, with roles and grants, compressed and, with a public key, encrypted.\n"
        "A manifest tells versions, checksums and rows. Deletes what backups.keep of the system file does not ask to\n"
        "keep, and nothing that it did not make. One that is killed leaves nothing that looks whole; an upload goes\n"
        "on with the next run. To Spaces: the key in SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY.",
        _backup,
    ),
    "drill": (
        "prove that a stack's data come back, and how fast",
        "Restores each cluster beside itself, into one that admits this run alone: as of now, of a moment, or from a\n"
        "backup (`--from newest` is the last one in backups.to). Compares schema, grants, history and every row as\n"
        "far as the source can be read at that point, measures against the system's objectives, deletes the cluster,\n"
        "and leaves a report and a line in .trellis/records. What a killed drill leaves, the next one deletes. A\n"
        "cluster costs money while it stands.",
        _drill,
    ),
    "rescue": (
        "bring back rows that were there at a moment and are not now",
        "Restores the past into a cluster beside the stack's, which admits this run alone and is deleted in the end;\n"
        "shows the rows that are missing now, or differ, and puts the missing ones back by key, in one transaction.\n"
        "What was written since stays. Triggers fire, and are named before.",
        _rescue,
    ),
    "status": (
        "show how a stack is, and what has to be done",
        "Asks every cluster and database of a stack: ways in, size, connections, lag, slow statements, long\n"
        "transactions, indexes, grants, pending migrations, backups, certificates. Changes nothing. Each finding\n"
        "says what is wrong, how bad it is and what to do.",
        _status,
    ),
    "monitoring": (
        "write files for Prometheus, Alertmanager and Grafana",
        "Writes what Prometheus, Alertmanager and Grafana need to watch a stack and to tell people: scrape\n"
        "configuration, alerts, receivers, a dashboard. Alerts are what `trellis status` finds. Secrets lie in files\n"
        "of their own that nobody else can read. What has not changed is not written again.",
        _monitoring,
    ),
    "jobs": (
        "run the jobs of the system file that are due",
        "Runs jobs, each in its database, as its pool's user or as the administrator:\n\n"
        "  run         those that are named, or with --due those whose time has come\n\n"
        "Each run is recorded in the database, in trellis.job_runs. One that failed is run again by the next call;\n"
        "one that was missed, or failed, is a finding of `trellis status`.",
        _jobs,
    ),
    "run": (
        "run a program with the environment of an app",
        "Runs a program of this machine with the variables that the system file gives an app, filled in as on App\n"
        "Platform, with the hosts that this machine reaches. With a pool in place of an app: DATABASE_URL and\n"
        "DATABASE_CA_CERT of its user. Secrets are in the program's environment alone. Signals and exit code are\n"
        "the program's own.",
        _run,
    ),
    "env": (
        "name the variables of an app's environment",
        "Names the variables that `trellis run` gives a program, without their values.",
        _env,
    ),
    "rotate": (
        "change passwords while they are in use",
        "Gives users other passwords, and refuses no login meanwhile: each has two logins that take turns. The other\n"
        "one gets a new password, pools let both in, apps are deployed with it, and when nobody uses the old one any\n"
        "more, that is reset. It can be killed anywhere and run again. Writes trellis:logins into the stack's config,\n"
        "and a line into .trellis/records. Of the administrator, whom no app uses, the one password is reset.",
        _rotate,
    ),
    "facts": (
        "compare what the program knows of DigitalOcean with what it offers",
        "Compares the catalogue's editions, versions, regions and plans with what DigitalOcean offers the account, and"
        " names each difference. Exits with 1 where there is one. Changes nothing. Needs DIGITALOCEAN_TOKEN.",
        _facts,
    ),
    "restore": (
        "bring a cluster back as it was at a second of the past",
        "Makes a cluster as it was at a second of the last seven days, beside the one of today, and puts it in its"
        " place. What was written since stays on the old one.\n\n"
        "  start     deploy the restored cluster, and compare its rows with today's\n"
        "  cutover   end writes to the old cluster; deploy apps to the restored one\n"
        "  rollback  the same the other way\n"
        "  finish    delete the cluster that is not used\n\n"
        "With --from: puts a database of a backup into an empty one of any server of the dump's version or a newer\n"
        "one, whole or not at all, and compares every table with the manifest. Needs no stack and no cloud. Roles\n"
        "come without passwords, for nobody but a superuser reads them.",
        _restore,
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
