"""A stack's own machine for monitoring, as the Droplet that it is."""

import base64
import json
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.localcloud.receivers import web
from tests.operations.test_monitoring import add_a_buyer, fill_connections, mail_server
from tests.operations.test_stack import Command
from tests.stacks.harness import LocalStack, local_stack, open_folder, program_copy, wait_for
from trellis.development.bring import bring
from trellis.monitoring.exporter import FAILED

pytestmark = pytest.mark.droplets

TOLD_WITHIN = 90
CONTACTS = {"on-call": ["ops@your-company.com"], "database-admin": ["dba@your-company.com"]}


@dataclass(kw_only=True)
class Machine:
    """A deployed stack, and what its machine has told the webhook, and by mail. secret: of the webhook's address.

    access: the stack's output.
    """

    command: Command
    told: list[dict[str, Any]]
    mails: list[str]
    secret: str
    access: dict[str, str]

    @property
    def stack(self) -> LocalStack:
        return self.command.stack

    def __call__(self, path: str, server: str = "prometheus", login: str | None = None) -> Any:
        """The answer of Prometheus or Alertmanager, its certificate verified; None while there is none."""
        access = self.access
        context = ssl.create_default_context(cadata=access["ca_certificate"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        request = urllib.request.Request(access[server] + path)
        credentials = f"{access['user']}:{access['password']}" if login is None else login
        if credentials:
            request.add_header("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}")
        try:
            with opener.open(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLError):
                raise
            return None

    def series(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now."""
        found = self(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return [] if found is None else list(found["data"]["result"])

    def findings(self) -> set[tuple[str, str, str]]:
        """What was told: the finding or the alert, where, and to which role."""
        return {
            (
                alert["labels"].get("finding", alert["labels"]["alertname"]),
                alert["labels"].get("where", ""),
                request["body"]["receiver"],
            )
            for request in list(self.told)
            for alert in request["body"]["alerts"]
            if alert["status"] == "firing"
        }

    def monitoring(self, *options: str) -> Any:
        """`trellis monitoring`."""
        return self.command.here("monitoring", *options, "--stack", "tudao")

    def jobs(self, what: str) -> int:
        """`trellis jobs run`; the exit code."""
        return self.command.here("jobs", "run", what, "--stack", "tudao").code


def tell(stack: LocalStack, webhook: str, **others: str) -> None:
    """Sets who is told, as docs/monitoring.md does."""
    stack.must("config", "set", "--path", "trellis:monitoring.webhook", webhook, "--secret")
    for key, value in others.items():
        stack.must("config", "set", "--path", f"trellis:monitoring.{key}", value)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    secret = "a-secret-of-the-webhook"
    with ExitStack() as ends:
        temporary, program = ends.enter_context(open_folder()), ends.enter_context(program_copy())
        port, told = ends.enter_context(web())
        stack = ends.enter_context(local_stack(bring(), "tudao", program, environment="production", contacts=CONTACTS))
        smtp, mails = ends.enter_context(mail_server())
        tell(stack, f"http://127.0.0.1:{port}/{secret}", smtp=f"127.0.0.1:{smtp}", **{"from": "a@your-company.com"})
        stack.up()
        access = stack.outputs()["monitoring"]
        made = Machine(command=Command(stack, temporary), told=told, mails=mails, secret=secret, access=access)
        assert made.jobs("--due") == 0
        wait_for(lambda: made("/api/v1/status/buildinfo") is not None, seconds=600)
        yield made


def test_who_may_look(machine: Machine) -> None:
    for server, path in (("prometheus", "/api/v1/status/buildinfo"), ("alertmanager", "/api/v2/status")):
        wait_for(lambda: isinstance(machine(path, server), dict), seconds=60)  # noqa: B023
        assert machine(path, server, login="") == 401
        assert machine(path, server, login="trellis:wrong") == 401
        address = urllib.parse.urlsplit(machine.access[server])
        place = str(address.hostname), int(address.port or 0)
        socket.create_connection(place, timeout=5, source_address=("127.0.0.1", 0)).close()
        with pytest.raises(TimeoutError):
            socket.create_connection(place, timeout=3, source_address=("127.0.0.77", 0))
    # Nobody reaches what has neither TLS nor a login.
    (droplet,) = machine.stack.api("GET", "/v2/droplets")["droplets"]
    for one in droplet["networks"]["v4"]:
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            socket.create_connection((one["ip_address"], 9237), timeout=3)
    assert "LISTEN" in on(machine, "ss", "-ltn", "sport = 9237")


def test_nothing_is_told_in_plain_text_and_nothing_changes(machine: Machine) -> None:
    stack = machine.stack
    outputs = stack.outputs()
    administrator = outputs["direct_uris"]["tudao-db"]["tudao"].partition("@")[0].rpartition(":")[2]
    hidden = (administrator, machine.access["password"], machine.secret)
    for place, text in (("state", stack.state()), ("outputs", stack.pulumi("stack", "output", "--json").text)):
        assert [number for number, secret in enumerate(hidden) if secret in text] == [], place
    # Nor does another account of the machine read them.
    look = ("grep", "-rlsE", "|".join(hidden), "/etc/trellis", "/var/lib/cloud", "/var/log")
    assert on(machine, "setpriv", "--reuid=65534", "--clear-groups", *look) == ""
    assert on(machine, *look) != ""
    assert on(machine, "find", "/etc/trellis", "-name", "ca.key") == ""
    stack.must("preview", "--expect-no-changes")
    looked = stack.trellis("status", "--json")
    assert not {"extra-login", "missing-login"} & {one["name"] for one in json.loads(looked.text)["findings"]}


def on(machine: Machine, *command: str) -> str:
    """What a command on the machine prints."""
    return machine.stack._run("python", "-m", "localcloud", "enter", "tudao-monitoring", *command).text


def test_what_is_wrong_is_told_and_no_panel_is_empty(machine: Machine, tmp_path: Path) -> None:
    places = ("tudao-db/tudao", "tudao-db, pool tudao-analytics-pool")
    wait_for(lambda: asked(machine) == set(places), seconds=120)
    wait_for(lambda: machine("/api/v1/alerts")["data"]["alerts"] == [], seconds=120)
    done = machine.monitoring(str(tmp_path))
    assert (done.code, done.err) == (0, ""), done.out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dashboard.json", "monitoring.crt"]
    refused = machine.monitoring(str(tmp_path), "--webhook", "http://127.0.0.1:1/")
    assert (refused.code, "stands in trellis:monitoring" in refused.err) == (2, True)
    panels = json.loads((tmp_path / "dashboard.json").read_text())["panels"]
    assert {panel["title"] for panel in panels} >= {"Checks", "Databases", "Storage, of the plan's"}
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]

    stack = machine.stack
    (direct,) = stack.outputs()["direct_uris"]["tudao-db"].values()
    with ExitStack() as ends:
        authority = str(stack.authority())
        admin = ends.enter_context(psycopg.connect(direct, sslrootcert=authority, autocommit=True))
        inject(ends, machine, admin, direct)
        wanted = {
            ("connections", "tudao-db", "on-call"),
            ("unminted-buyers", "tudao-db/tudao", "on-call"),
            ("job-failed", "tudao-db/tudao, expire-wires", "database-admin"),
            ("job-missed", "tudao-db/tudao, archive-buyers", "database-admin"),
        }
        wait_for(lambda: machine.findings() >= wanted, seconds=TOLD_WITHIN)
        mail = ("RCPT TO:<dba@your-company.com>", "job-failed")
        wait_for(lambda: any(all(part in one for part in mail) for one in machine.mails), seconds=30)
        told = {
            alert["labels"].get("finding"): alert["annotations"]
            for one in machine.told
            for alert in one["body"]["alerts"]
        }
        looked = machine.command.here("status", "--json", "--stack", "tudao")
        words = {one["name"]: one for one in json.loads(looked.out)["findings"]}
        for finding in ("unminted-buyers", "job-failed"):
            said = words[finding]
            assert told[finding] == {
                "summary": f"{said['where']}: {said['what'].partition(chr(10))[0]}",
                "do": said["do"],
            }
        assert not any("0x1234" in json.dumps(one["body"]) for one in machine.told)
        assert [one for one in expressions if not machine.series(one)] == []
        for finding in ("unminted-buyers", "job-failed"):
            assert machine.series('trellis_findings{severity!="note"} > 0'), finding

    # What it cannot ask is told too.
    (cluster,) = stack.api("GET", "/v2/databases")["databases"]
    path = f"/v2/databases/{cluster['id']}/firewall"
    rules = stack.api("GET", path)["rules"]
    # It is in the network, which the first of them is.
    assert ("ip_addr", "10.1.0.0/16") in {(rule["type"], rule["value"]) for rule in rules}
    stack.api("PUT", path, {"rules": [{"type": "ip_addr", "value": "127.0.0.1"}]})
    try:
        wanted = {("TrellisNotAsked", place, "on-call") for place in places}
        wait_for(lambda: machine.findings() >= wanted, seconds=180)
    finally:
        stack.api("PUT", path, {"rules": [{"type": rule["type"], "value": rule["value"]} for rule in rules]})
    wait_for(lambda: not machine.series(f"{FAILED} == 1"), seconds=180)


def asked(machine: Machine) -> set[str]:
    """Where it looks."""
    return {one["metric"]["asked"] for one in machine.series("trellis_looked_timestamp_seconds")}


def inject(ends: ExitStack, machine: Machine, admin: psycopg.Connection[Any], direct: str) -> None:
    """A buyer without a hash, a job that fails and one that nobody ran, and many connections."""
    add_a_buyer(admin)
    admin.execute("ALTER TABLE expired_wires RENAME TO moved")
    assert machine.jobs("expire-wires") == 1
    admin.execute("UPDATE trellis.job_runs SET due_at = due_at - interval '2 months' WHERE job = 'archive-buyers'")
    fill_connections(ends, admin, direct, str(machine.stack.authority()))


def test_that_the_machine_is_gone_is_told_by_status(machine: Machine) -> None:
    assert not_watched(machine) == {}
    (droplet,) = machine.stack.api("GET", "/v2/droplets")["droplets"]
    actions = f"/v2/droplets/{droplet['id']}/actions"
    machine.stack.api("POST", actions, {"type": "power_off"})
    wait_for(lambda: len(not_watched(machine)) == 2)
    told = not_watched(machine)["the monitoring machine, alertmanager"]
    machine.stack.api("POST", actions, {"type": "power_on"})
    assert told["do"].startswith("trellis up --stack tudao -- --replace 'urn:pulumi:tudao::")
    assert machine.access["password"] not in json.dumps(told)
    wait_for(lambda: not not_watched(machine))


def not_watched(machine: Machine) -> dict[str, dict[str, str]]:
    """What `trellis status` says of the machine itself: where -> the finding."""
    findings = json.loads(machine.command.here("status", "--json", "--stack", "tudao").out)["findings"]
    return {one["where"]: one for one in findings if one["name"] == "not-watched"}


def test_another_contact_is_another_machine_and_a_destroy_leaves_nothing(machine: Machine) -> None:
    stack = machine.stack
    before = machine.access["prometheus"]
    tell(stack, "http://127.0.0.1:1/")
    stack.up()
    machine.access = stack.outputs()["monitoring"]
    assert machine.access["prometheus"] != before
    wait_for(lambda: asked(machine) != set(), seconds=600)
    stack.must("preview", "--expect-no-changes")
    stack.must("destroy", "--yes")
    for kind in ("droplets", "firewalls", "databases"):
        assert stack.api("GET", f"/v2/{kind}")[kind] in (None, [])


def test_a_self_hosted_server() -> None:
    """It asks the server's own tables too."""
    with (
        open_folder() as temporary,
        web() as (port, told),
        # A Droplet's address here is no part of the network's range, which the server's own list has.
        local_stack(bring(), "freshtrack", mode="self-hosted", trustedSources=["127.0.0.0/8"]) as stack,
    ):
        tell(stack, f"http://127.0.0.1:{port}/")
        stack.up()
        access = stack.outputs()["monitoring"]
        machine = Machine(command=Command(stack, temporary), told=told, mails=[], secret="", access=access)
        places = {"freshtrack-db/freshtrack", "freshtrack-db/defaultdb"}
        wait_for(lambda: machine("/api/v1/status/buildinfo") is not None, seconds=600)
        wait_for(lambda: asked(machine) == places, seconds=120)
        assert machine.series(f"{FAILED} == 1") == []
        (direct,) = stack.outputs()["direct_uris"]["freshtrack-db"].values()
        with stack.connect(direct.replace("/freshtrack?", "/defaultdb?")) as admin:
            admin.execute("UPDATE server.state SET ok = false, message = 'no way' WHERE name = 'synchronisation'")
            wait_for(lambda: ("server", "freshtrack-db", "on-call") in machine.findings(), seconds=TOLD_WITHIN)
