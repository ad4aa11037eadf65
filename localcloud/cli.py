"""The command: python -m localcloud {start,stop,status,reset,logs,enter,env,mail,serve}."""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud import daemon, files, machines, options, servers
from localcloud.claims import AlreadyServed, PortTaken, check_port
from localcloud.deployments import environment
from localcloud.options import Layout, OptionError, Options
from localcloud.report import describe, render
from localcloud.state import State, StateError
from localcloud.vault import Vault

NOT_RUNNING = 3
"""Exit status of `status` when no local cloud serves the folder."""

EXIT_CODES = "Exit codes: 0 done, 1 an error that was explained, 2 wrong call, 130 stopped by Ctrl-C."

LOGIN = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""What a login in a Droplet starts with."""

_SHARED: tuple[tuple[str, Callable[[str], Any], str, str], ...] = (
    ("--state", Path, "DIR", f"state folder ({options.STATE_VARIABLE}; ./.localcloud)"),
    ("--port", int, "N", f"port of the API ({options.PORT_VARIABLE}; {options.DEFAULT_PORT})"),
    ("--postgresql", Path, "DIR", f"folder of servers, such as DIR/17/bin/postgres ({options.POSTGRESQL_VARIABLE})"),
    ("--pgbouncer", Path, "PATH", f"the PgBouncer program ({options.PGBOUNCER_VARIABLE})"),
    ("--valkey", Path, "PATH", f"valkey-server, or a redis-server ({options.VALKEY_VARIABLE}; the one on PATH)"),
    ("--droplet-images", Path, "DIR", f"images, such as DIR/debian-12-x64 ({options.DROPLET_IMAGES_VARIABLE})"),
    ("--pace", str, "FACTOR", f"1: as slow as DigitalOcean, 0: as fast as can be ({options.PACE_VARIABLE})"),
)
"""Options of every command: name, type, placeholder, help."""

_EXPECTED = (OptionError, daemon.DaemonError, AlreadyServed, PortTaken, StateError, servers.ServerError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command. Returns its exit status: 0, 1 for an error that was explained, 3 for "not running"."""
    try:
        try:
            parsed = parser().parse_args(arguments)
            parsed.state = options.state_folder(parsed.state)
            status: int = parsed.run(parsed)
        finally:
            sys.stdout.flush()
        return status
    except _EXPECTED as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter's own flush would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _start(arguments: argparse.Namespace) -> int:
    state, asked = arguments.state, options.port_number(arguments.port)
    running = daemon.find(state)
    if running is not None:
        if asked is not None and asked != running.port:
            raise daemon.DaemonError(
                f"The local cloud of {state} is already running on port {running.port}, not on {asked}. "
                "Stop it first, or give another --state."
            )
        print(f"The local cloud is already running at {running.url}.")
        return 0
    chosen = _options(arguments)
    # What is wrong with the records is told here, and not only in the log.
    State(Layout(state=state).records)
    check_port(chosen)
    process = daemon.start(chosen, _progress)
    print(f"The local cloud answers at {process.url}. Its token is in {Layout(state=state).token}.")
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    state = arguments.state
    running = daemon.find(state)
    if running is None:
        print(f"No local cloud is running for {state}.")
        return 0
    daemon.stop(running, state, _progress)
    print("The local cloud has stopped. Its data is kept; `start` brings it back.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    state = arguments.state
    running = daemon.find(state)
    if running is None:
        print(json.dumps({"running": False}) if arguments.json else f"No local cloud is running for {state}.")
        return NOT_RUNNING
    with suppress(OSError):
        # Looks at the servers, so that the records tell of those that ended just now.
        running.get("/_local/health")
    facts = describe(running, State(Layout(state=state).records).read())
    if arguments.versions:
        facts |= running.get("/_local/parts")
    print(json.dumps({"running": True, **facts}, indent=2) if arguments.json else render(facts))
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    state = arguments.state
    if not state.exists():
        print(f"{state} does not exist; there is nothing to delete.")
        return 0
    layout = Layout(state=state)
    if not layout.lock.exists():
        raise OptionError(f"{state} is not the state folder of a local cloud; nothing was deleted.")
    if not arguments.yes:
        answer = input(f"Delete {state} with every cluster and all data in it? [y/N] ") if sys.stdin.isatty() else ""
        if answer.strip().lower() not in ("y", "yes"):
            print("Nothing was deleted. Give --yes to delete without a question.")
            return 1
    running = daemon.find(state)
    if running is not None:
        daemon.stop(running, state, _progress)
    # Servers outlive a serving process that was killed; their folders must not vanish under them.
    for kind in ("clusters", "replicas"):
        for folder in (state / kind).glob("*"):
            servers.Cluster.discard(folder)
    for folder in layout.machines.glob("*"):
        machines.Machine.discard(folder)
    for folder in layout.volumes.glob("*"):
        machines.Volume.discard(folder)
    shutil.rmtree(state)
    print(f"Deleted {state}.")
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    layout = Layout(state=arguments.state)
    files = {"api": layout.log, "journal": layout.journal} | _logs_of(layout)
    if arguments.what not in files:
        raise OptionError(f"{arguments.what}: there is no such log. There are: {', '.join(files)}.")
    path = files[arguments.what]
    if not path.exists():
        raise OptionError(f"{path}: nothing was logged yet.")
    with path.open("r", encoding="utf-8", errors="replace") as file:
        sys.stdout.write(file.read())
        while arguments.follow:
            sys.stdout.write(file.read())
            sys.stdout.flush()
            time.sleep(0.2)
    return 0


def _logs_of(layout: Layout) -> dict[str, Path]:
    """The logs of all servers and machines, by the names that people give."""
    if not layout.records.exists():
        return {}
    tables = State(layout.records).read()
    found: dict[str, Path] = {}
    for cluster in tables.clusters.values():
        found |= {f"{cluster.name}/{path.stem}": path for path in layout.cluster(cluster.id).glob("*.log")}
    for replica in tables.replicas.values():
        log = layout.replica(replica.id) / servers.POSTGRESQL_LOG
        found[f"{tables.clusters[replica.cluster_id].name}/replica {replica.name}"] = log
    for droplet in tables.droplets.values():
        logs = machines.Machine(layout.machine(droplet.id)).logs
        found |= {f"{droplet.name}/{name}": path for name, path in logs.items()}
    return found


def _enter(arguments: argparse.Namespace) -> int:
    layout = Layout(state=arguments.state)
    droplets = State(layout.records).read().droplets.values()
    found = [item for item in droplets if arguments.droplet in (item.name, str(item.id))]
    if not found:
        names = ", ".join(item.name for item in droplets) or "none"
        raise OptionError(f"There is no Droplet called {arguments.droplet} in {layout.state}. There are: {names}.")
    machine = machines.Machine(layout.machine(found[0].id))
    # The variables of this machine's user are none of the Droplet's business.
    variables = {**LOGIN, "TERM": os.environ.get("TERM", "dumb")}
    command = machine.enter(arguments.command or ("bash", "--login"))
    return subprocess.run(command, env=variables, check=False).returncode


def _env(arguments: argparse.Namespace) -> int:
    layout = Layout(state=arguments.state)
    tables = State(layout.records).read()
    app = next((app for app in tables.apps.values() if app.name == arguments.app), None)
    if app is None:
        names = ", ".join(app.name for app in tables.apps.values()) or "none"
        raise OptionError(f"There is no app called {arguments.app} in {layout.state}. There are: {names}.")
    try:
        variables = environment(app, arguments.component, Vault(layout.key))
    except LookupError as problem:
        raise OptionError(str(problem)) from problem
    if arguments.json:
        print(json.dumps(variables, indent=2))
    else:
        print("\n".join(f"export {key}={shlex.quote(value)}" for key, value in variables.items()))
    return 0


def _mail(arguments: argparse.Namespace) -> int:
    letters = files.json_lines(Layout(state=arguments.state).mail)
    if arguments.json:
        print(json.dumps(letters, indent=2))
    for letter in () if arguments.json else letters:
        print("{time}  To: {to}\n  {subject}\n  {text}".format(**letter))
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    # Only this command needs the web server, and all the others shall be quick.
    from localcloud.serve import serve

    serve(_options(arguments))
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        state=arguments.state,
        port=options.port_number(arguments.port) or options.DEFAULT_PORT,
        postgresql=options.program("--postgresql", options.POSTGRESQL_VARIABLE, arguments.postgresql),
        pgbouncer=options.program("--pgbouncer", options.PGBOUNCER_VARIABLE, arguments.pgbouncer),
        valkey=options.valkey_server(arguments.valkey),
        droplet_images=options.droplet_images(arguments.droplet_images),
        zones=options.zone_names(tuple(arguments.zone)),
        pace=options.pace(arguments.pace),
        rate_limits=arguments.rate_limits or os.environ.get(options.RATE_LIMITS_VARIABLE, "") not in ("", "0"),
    )


def _progress(text: str) -> None:
    print(f"{text} ...", flush=True)


def parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    for name, kind, metavar, text in _SHARED:
        shared.add_argument(name, type=kind, metavar=metavar, help=text)
    text = f"a DNS zone that Cloudflare's API shall have; repeatable ({options.ZONES_VARIABLE}, comma-separated)"
    shared.add_argument("--zone", action="append", default=[], metavar="NAME", help=text)
    text = f"refuse calls above DigitalOcean's limits ({options.RATE_LIMITS_VARIABLE})"
    shared.add_argument("--rate-limits", action="store_true", help=text)
    root = argparse.ArgumentParser(
        prog="python -m localcloud",
        description="A cloud on this machine: DigitalOcean's database API with real servers behind it.",
        epilog="Names in parentheses are environment variables and defaults. "
        f"{EXIT_CODES[:-1]}; `status`: {NOT_RUNNING} nothing runs.",
    )
    commands = root.add_subparsers(required=True, metavar="command")

    def add(name: str, run: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            parents=[shared],
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"{EXIT_CODES[:-1]}, {NOT_RUNNING} nothing runs." if name == "status" else EXIT_CODES,
        )
        command.set_defaults(run=run)
        return command

    add("start", _start, "start in the background and wait until everything answers")
    add("stop", _stop, "stop the API and all servers; data is kept")
    shown = add("status", _status, "show clusters, pools, replicas, ports and Droplets")
    shown.add_argument("--json", action="store_true", help="print JSON")
    shown.add_argument("--versions", action="store_true", help="also each server program's version and origin")
    add("reset", _reset, "stop everything and delete all data").add_argument(
        "--yes", action="store_true", help="do not ask"
    )
    text = "show a log: api, journal, CLUSTER/postgresql, CLUSTER/pgbouncer, CLUSTER/valkey or DROPLET/cloud-init"
    logs = add("logs", _logs, text)
    logs.add_argument("-f", "--follow", action="store_true", help="go on showing what is added")
    logs.add_argument("what", nargs="?", default="api", metavar="LOG", help="which log (api)")
    enter = add("enter", _enter, "run a command in a Droplet, a shell when none is given; stands in for SSH")
    enter.add_argument("droplet", metavar="DROPLET", help="name or id of the Droplet")
    enter.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run there")
    env = add("env", _env, "print the environment of a deployed app's component, as shell code or JSON")
    env.add_argument("app", metavar="APP", help="name of the app")
    env.add_argument("component", nargs="?", default="", metavar="COMPONENT", help="its component, if it has several")
    env.add_argument("--json", action="store_true", help="print JSON")
    mail = add("mail", _mail, "show what alerts have sent by mail")
    mail.add_argument("--json", action="store_true", help="print JSON")
    add("serve", _serve, "serve in the foreground; what `start` runs")
    return root
