"""docs/adopt.md, followed to the letter for a cluster that something else has made and filled."""

import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from tests.stacks.harness import LocalStack, local_stack, program_copy, wait_for
from tools import ROOT
from trellis.development.bring import Parts

PAGE = (ROOT / "docs" / "adopt.md").read_text()
FILE = re.compile(r"^`(?P<file>[^`]+)`[^\n]*:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCHEMA = """
CREATE EXTENSION citext;
CREATE TYPE state AS ENUM ('open', 'paid');
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email citext UNIQUE NOT NULL);
CREATE TABLE invoices (
  id bigserial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, amount numeric(12, 2) NOT NULL,
  state state NOT NULL DEFAULT 'open', note text DEFAULT 'a;b'
);
CREATE INDEX ON invoices (customer) WHERE state = 'open';
CREATE VIEW debtors AS SELECT customer, sum(amount) AS sum FROM invoices WHERE state = 'open' GROUP BY customer;
CREATE FUNCTION paid() RETURNS numeric LANGUAGE sql AS $$ SELECT sum(amount) FROM invoices WHERE state = 'paid' $$;
COMMENT ON TABLE invoices IS 'one a month; it''s sent';
INSERT INTO customers (email) VALUES ('a@example.org');
INSERT INTO invoices (customer, amount) VALUES (1, 12.50);
"""


def test_a_cluster_that_exists_becomes_a_stack(parts: Parts) -> None:
    with program_copy() as program:
        (program / "migrations/billing/billing").mkdir(parents=True)
        files = {match["file"]: match["text"] for match in FILE.finditer(PAGE)}
        assert sorted(Path(name).suffix for name in files) == [".sql", ".yaml", ".yaml"]
        for name, text in files.items():
            # The page says that this address has to become somebody's.
            (program / name).write_text(text.replace("ops@billing.example", "ops@trellis.dev"))
        with local_stack(parts, "billing", program) as stack:
            # The page makes the stack itself, from a file of its own.
            stack.stack.pulumi("stack", "rm", "--yes", "--preserve-config")
            (program / "Pulumi.billing.yaml").write_text(stack.config_file.read_text())
            existing = Existing(stack, program)
            since = len(stack.journal())
            for script in COMMANDS.findall(PAGE):
                existing.types(script)
            assert "replace" not in existing.said[-1]
            existing.check(since)


class Existing:
    """A cluster in a VPC, made by plain calls of the API, with tables and rows."""

    def __init__(self, stack: LocalStack, program: Path) -> None:
        self._stack, self._program = stack, program
        self.said: list[str] = []
        network = {"name": "production", "region": "nyc1", "ip_range": "10.61.0.0/16"}
        self._vpc = stack.api("POST", "/v2/vpcs", network)["vpc"]["id"]
        plan = {"engine": "pg", "version": "17", "size": "db-s-1vcpu-1gb", "region": "nyc1", "num_nodes": 1}
        asked = {"name": "billing-db", **plan, "private_network_uuid": self._vpc}
        self._path = f"/v2/databases/{stack.api('POST', '/v2/databases', asked)['database']['id']}"
        wait_for(lambda: self._cluster()["status"] == "online")
        stack.api("POST", f"{self._path}/dbs", {"name": "billing"})
        stack.api("POST", f"{self._path}/users", {"name": "billing_app"})
        with self._connect() as connection:
            connection.execute(SCHEMA)

    def types(self, script: str) -> None:
        """Runs a script of the page in the program's folder; it must work."""
        made, workspace = self._cluster()["connection"], self._stack.workspace
        values = {
            "VPC": self._vpc,
            "CLUSTER": self._path.rpartition("/")[2],
            "DIRECT_URL": f"postgresql://{made['user']}@{made['host']}:{made['port']}/billing?sslmode=require",
            "PGPASSWORD": made["password"],
            "PULUMI_NON_INTERACTIVE": "true",
            # The server's own pg_dump: the one of the virtual environment is older.
            "PATH": f"{workspace.parts.postgresql}/17/bin:{workspace.variables()['PATH']}",
        }
        done = subprocess.run(
            ("bash", "-euo", "pipefail", "-c", script),
            cwd=self._program,
            env={**self._stack.stack.environment, **values},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        self.said.append(done.stdout + done.stderr)

    def check(self, since: int) -> None:
        """It is the same cluster with the same rows, and the baseline makes the same schema elsewhere."""
        assert self._stack.api("GET", "/v2/databases")["databases"][0]["id"] == self._path.rpartition("/")[2]
        gone = [path for method, path in self._stack.changes(since) if method == "DELETE" or path == "/v2/databases"]
        assert gone == []
        with self._connect() as connection:
            assert connection.execute(
                "SELECT email, amount, state::text FROM invoices JOIN customers ON true"
            ).fetchall()
            history = connection.execute("SELECT type, script FROM flyway_schema_history ORDER BY installed_rank")
            assert [kind for kind, _ in history.fetchall()] == ["BASELINE", "SQL"]
        self._stack.api("POST", f"{self._path}/dbs", {"name": "fresh"})
        dump = "pg_dump --schema-only --no-owner --exclude-table=flyway_schema_history"
        self.types(
            f"""fresh=$(echo "$DIRECT_URL" | sed s,/billing,/fresh,)
            trellis migrate --url "$fresh" --folder migrations/billing/billing --placeholder app_role=billing_app
            diff <({dump} --dbname="$DIRECT_URL" | grep -v restrict) <({dump} --dbname="$fresh" | grep -v restrict)"""
        )

    def _cluster(self) -> dict[str, Any]:
        return dict(self._stack.api("GET", self._path)["database"])

    def _connect(self) -> psycopg.Connection[Any]:
        made = self._cluster()["connection"]
        return psycopg.connect(made["uri"].replace("/defaultdb", "/billing"), autocommit=True)
