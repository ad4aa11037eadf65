"""The subcommand `monitoring`."""

import json
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trellis.monitoring import alertmanager, prometheus
from trellis.monitoring.alertmanager import Ways
from trellis.monitoring.dashboard import dashboard
from trellis.monitoring.watched import Places, Watched, addresses
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.monitoring.endpoints import watched
from trellis.operations.status.look import Stack, opened
from trellis.operations.terminal import say
from trellis.writing import PRIVATE, replace

SECRETS = "secrets"
PASSWORD_VARIABLE = "TRELLIS_SMTP_PASSWORD"  # noqa: S105
_HEAD = "# Written by `trellis monitoring`, which writes it again.\n"

_RUN = """\
# Monitoring of the stack {stack}

Written by `trellis monitoring`, which writes it again. Three programs, each started in this folder, as the
account that owns it:

```sh
prometheus --config.file=prometheus.yml --web.listen-address=127.0.0.1:{prometheus} \\
  --storage.tsdb.path=data/prometheus --storage.tsdb.retention.time=60d
alertmanager --config.file=alertmanager.yml --web.listen-address=127.0.0.1:{alertmanager} \\
  --storage.path=data/alertmanager --cluster.listen-address=
node_exporter --web.listen-address=127.0.0.1:{exporter} --collector.disable-defaults \\
  --collector.textfile --collector.textfile.directory=status
```

Debian has them as `prometheus`, `prometheus-alertmanager` and `prometheus-node-exporter`, packages and programs. Beside
them, in the repository of the stack, with what `trellis status` needs in its environment:

```sh
trellis status --stack {stack} --watch {watch} --metrics {folder}/status/{stack}.prom
```

`dashboard.json` is imported into a Grafana that has this Prometheus as a source.
"""


def run(options: Namespace) -> int:
    """Writes the files of a stack's monitoring; what is as it should be is not touched."""
    given = _ways(options) if options.smtp or options.webhook else None
    folder = options.folder.absolute()
    places = Places(prometheus=options.port, interval=options.interval)
    with opened(options) as stack:
        if stack.settings.monitoring:
            return _of_a_machine(stack, folder, given)
        ways = given or _ways(options)
        found = watched(stack)
    _someone_is_told(found, ways)
    files = _files(found, ways, places, folder)
    secrets = {
        "metrics": found.login.password if found.login else "",
        "smtp": os.environ.get(PASSWORD_VARIABLE, "") if ways.user else "",
        "webhook": options.webhook or "",
    }
    try:
        for name in (SECRETS, "status", "data/prometheus", "data/alertmanager"):
            (folder / name).mkdir(mode=0o700 if name == SECRETS else 0o755, parents=True, exist_ok=True)
        changed = [name for name, text in files.items() if _written(folder / name, text, 0o644)]
        for name, text in secrets.items():
            if not text:
                (folder / SECRETS / name).unlink(missing_ok=True)
            elif _written(folder / SECRETS / name, text, PRIVATE):
                changed.append(f"{SECRETS}/{name}")
    except OSError as error:
        raise _unwritten(error) from None
    _say(folder, changed, "README.md there says how to start it.")
    return 0


def _of_a_machine(stack: Stack, folder: Path, given: Ways | None) -> int:
    """What a Grafana needs that looks at the stack's own machine."""
    if given:
        raise WrongCall(
            f"The stack {stack.name!r} has a machine that watches it: who is told stands in trellis:monitoring of its "
            "file. Leave --smtp, --webhook and TRELLIS_WEBHOOK out, and the folder gets the dashboard."
        )
    access = stack.outputs.get("monitoring")
    if access is None:
        raise OperationError("The machine of trellis:monitoring is not deployed yet. `trellis up` deploys it.")
    found = Watched(name=stack.name, settings=stack.settings)
    files = {"dashboard.json": _dashboard(found), "monitoring.crt": str(access["ca_certificate"])}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        changed = [name for name, text in files.items() if _written(folder / name, text, 0o644)]
    except OSError as error:
        raise _unwritten(error) from None
    _say(folder, changed, f"For a Grafana with {access['prometheus']} as a source (docs/monitoring.md).")
    return 0


def _unwritten(error: OSError) -> OperationError:
    return OperationError(f"{error.filename} cannot be written: {error.strerror}.")


def _say(folder: Path, changed: Sequence[str], what: str) -> None:
    for name in changed:
        say(f"{folder / name}")
    say(f"{what} {len(changed)} of its files changed." if changed else "Nothing changed.")


def _ways(options: Namespace) -> Ways:
    if not (options.smtp or options.webhook):
        raise WrongCall("Say how people are told: --smtp HOST:PORT with --smtp-from, or --webhook URL.")
    if options.smtp and not options.smtp_from:
        raise WrongCall("--smtp needs --smtp-from, the address that the mails come from.")
    if options.smtp and not options.smtp.rpartition(":")[2].isdigit():
        raise WrongCall(f"--smtp {options.smtp}: it takes HOST:PORT, for example smtp.your-company.com:587.")
    if options.smtp_user and not os.environ.get(PASSWORD_VARIABLE):
        raise WrongCall(f"--smtp-user needs the password in {PASSWORD_VARIABLE}.")
    if not 1 <= options.interval <= 300:
        raise WrongCall(f"--interval {options.interval}: 1 to 300 seconds are allowed.")
    return Ways(
        smtp=options.smtp or "",
        sender=options.smtp_from or "",
        user=options.smtp_user or "",
        password={"smtp_auth_password_file": f"{SECRETS}/smtp"} if options.smtp_user else {},
        webhook={"url_file": f"{SECRETS}/webhook"} if options.webhook else {},
    )


def _someone_is_told(found: Watched, ways: Ways) -> None:
    """Raises OperationError where mails would reach nobody."""
    for role, told in addresses(found.settings).items():
        if ways.smtp and not told:
            raise OperationError(
                f"Nobody has the role {role}, so mails reach nobody. Put trellis:contacts: {{{role}: […]}} into the "
                "stack's file."
            )


def _files(found: Watched, ways: Ways, places: Places, folder: Path) -> Mapping[str, str]:
    figures = {
        "prometheus": places.prometheus,
        "alertmanager": places.alertmanager,
        "exporter": places.exporter,
        "watch": places.watch,
    }
    return {
        "prometheus.yml": _yaml(prometheus.configuration(found, places)),
        "rules.yml": _yaml(prometheus.rules(found)),
        "alertmanager.yml": _yaml(alertmanager.configuration(found.settings, ways)),
        "dashboard.json": _dashboard(found),
        **{f"{endpoint.cluster}.crt": endpoint.authority for endpoint in found.endpoints},
        "README.md": _RUN.format(stack=found.name, folder=folder, **figures),
    }


def _dashboard(found: Watched) -> str:
    return json.dumps(dashboard(found), indent=2) + "\n"


def _yaml(value: Mapping[str, Any]) -> str:
    return _HEAD + yaml.safe_dump(value, sort_keys=False, width=1000)


def _written(file: Path, text: str, mode: int) -> bool:
    """Whether it had to be written."""
    if file.exists() and file.read_text() == text and file.stat().st_mode & 0o777 == mode:
        return False
    replace(file, text, mode)
    return True
