"""What a reviewer is told of pull requests as they come: a deployed stack, a change of its files, the report."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operations.conftest import Finished
from tests.operations.test_stack import Command
from tests.stacks.harness import LocalStack, local_stack, open_folder, program_copy
from trellis.development.bring import bring
from trellis.operations.preview_report.report import FAILED, NOTHING, OBJECTION

SQL = Path("migrations", "villa", "villa")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Command]:
    with program_copy() as program, local_stack(bring(), root=program) as stack, open_folder() as temporary:
        stack.up()
        yield Command(stack, temporary)


class PullRequest:
    """A branch: files that are changed, and put back in the end."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._before: dict[Path, str | None] = {}

    @property
    def stack(self) -> LocalStack:
        return self._command.stack

    def write(self, path: Path | str, text: str | None) -> None:
        """Changes a file of the program; None deletes it."""
        file = self.stack.root / path
        self._before.setdefault(file, file.read_text() if file.exists() else None)
        file.parent.mkdir(exist_ok=True, parents=True)
        if text is None:
            file.unlink()
        else:
            file.write_text(text)

    def edit(self, path: Path | str, old: str, new: str) -> None:
        """Changes a part of a file."""
        text = (self.stack.root / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))

    def report(self, *options: str) -> Finished:
        """What a reviewer is told."""
        return self._command.here("preview-report", "--stack", self.stack.name, *options)

    def values(self, code: int, *options: str) -> dict[str, Any]:
        """The same as values."""
        done = self.report("--json", *options)
        assert done.code == code, done.out + done.err
        return dict(json.loads(done.out))

    def close(self) -> None:
        """Puts back what was there."""
        for file, text in self._before.items():
            if text is None:
                file.unlink()
            else:
                file.write_text(text)
        self.stack.configure(**dict.fromkeys(self.stack._config))


@pytest.fixture
def branch(deployed: Command) -> Iterator[PullRequest]:
    request = PullRequest(deployed)
    yield request
    request.close()


def test_its_own_judge(branch: PullRequest) -> None:
    branch.write("policies.dev.json", '{"all": "disabled"}')
    branch.edit("systems/villa.yaml", "mode: transaction", "mode: session")
    assert branch.values(NOTHING, "--no-shadow")["settings"] == {"all": "disabled"}
    with program_copy() as base:
        (base / "policies.dev.json").write_text('{"monthly-budget": {"usd": 1000}}')
        values = branch.values(OBJECTION, "--no-shadow", "--base", str(base))
        assert values["settings"] == {"monthly-budget": {"usd": 1000}}
        told, broken = values["objections"]
        assert told.startswith("policies.dev.json: It is changed, and judges what is merged after it.")
        assert broken.startswith("systems/villa.yaml:19: villa-pool has the mode session. Set mode to transaction")
        assert broken.endswith("[pool-mode-transaction]")
        # Somebody with the right has looked at it.
        allowed = branch.values(OBJECTION, "--no-shadow", "--base", str(base), "--may-change", "policies.dev.json")
        assert [one for one in allowed["objections"] if "policies.dev.json" in one] == []
    assert branch.report("--base", str(base)).code == 2


def test_pending_files_are_listed_by_name(branch: PullRequest) -> None:
    branch.write(SQL / "V1.0.7__Bio.sql", "ALTER TABLE profiles ADD COLUMN bio text;")
    branch.write(SQL / "V1.0.8__Pet.sql", "ALTER TABLE profiles ADD COLUMN pet text;")
    shown = branch.stack.must("preview", "--diff")
    (names,) = re.findall(r"^ +~ files *: \{\n(.*?)^ +\}", shown, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^ +(\S) (\S+?) *:", names, re.MULTILINE) == [("+", "V1.0.7__Bio.sql"), ("+", "V1.0.8__Pet.sql")]
    (step,) = branch.values(NOTHING, "--no-shadow")["resources"]
    assert step["changes"] == ["V1.0.7__Bio.sql is new", "V1.0.8__Pet.sql is new"]


def test_what_it_takes_back(branch: PullRequest) -> None:
    branch.write(
        SQL / "V1.0.7__Drop.sql",
        "CREATE TABLE notes (id bigint PRIMARY KEY);\n-- Nobody reads it.\n-- trellis-ignore ban-drop-column\n"
        "ALTER TABLE profiles DROP COLUMN avatar_style;\n",
    )
    told = f"`{SQL / 'V1.0.7__Drop.sql'}:3` waives `ban-drop-column`."
    assert told in branch.values(NOTHING, "--no-shadow")["not_enforced"]
    settings = '{"prices-known": "disabled"}'
    branch.write("policies.dev.json", settings)
    with program_copy() as base:
        (base / "policies.dev.json").write_text(settings)
        values = branch.values(NOTHING, "--no-shadow", "--base", str(base), "--may-delete", "villa-db")
        assert values["not_enforced"] == [
            told,
            "`prices-known` is disabled.",
            "`villa-db` may be deleted or replaced with its data.",
        ]


def _edited(branch: PullRequest) -> str:
    branch.edit(SQL / "V1.0.1__Profiles.sql", "CREATE TABLE profiles", "CREATE TABLE  profiles")
    return "V1.0.1__Profiles.sql"


def _deleted(branch: PullRequest) -> str:
    branch.write(SQL / "V1.0.4__Audit_log.sql", None)
    return "V1.0.4__Audit_log.sql"


def _out_of_order(branch: PullRequest) -> str:
    branch.write(SQL / "V1.0.1.1__Late.sql", "CREATE TABLE late (id bigint PRIMARY KEY);")
    return "V1.0.1.1__Late.sql"


@pytest.mark.parametrize("change", [_edited, _deleted, _out_of_order])
def test_history_that_is_rewritten(branch: PullRequest, change: Callable[[PullRequest], str]) -> None:
    name = change(branch)
    objections = branch.values(OBJECTION, "--no-shadow")["objections"]
    assert [one for one in objections if name in one], objections


def test_a_new_database(branch: PullRequest) -> None:
    branch.edit(
        "systems/villa.yaml", "      villa:\n", "      shop:\n        roles: {app_role: villa_app}\n      villa:\n"
    )
    branch.write("migrations/villa/shop/V1__Orders.sql", "CREATE TABLE orders (id bigint PRIMARY KEY);")
    branch.write(SQL / "V1.0.7__Bio.sql", "CREATE INDEX profiles_bio ON profiles (nickname);")
    values = branch.values(OBJECTION)
    # The new one from its chain, beside what is pending in the other.
    assert {one["database"]: one["files"] for one in values["migrations"]} == {"villa-db/shop": 1, "villa-db/villa": 1}
    assert all("V1.0.7__Bio.sql" in one for one in values["objections"])
    assert values["failures"] == []


def test_a_database_that_is_dropped(branch: PullRequest) -> None:
    branch.edit("systems/villa.yaml", "name: villa-db\n", "name: villa-main\n")
    values = branch.values(OBJECTION, "--no-shadow")
    assert [one for one in values["objections"] if "the cluster and its data are deleted" in one]
    assert [one["changes"] for one in values["resources"] if one["operation"] == "delete"] == [[]] * 11
    assert not [one for one in values["connections"] if "not known" in one["effect"]]


def test_protection_and_environment(branch: PullRequest) -> None:
    branch.stack.configure(environment="production", protect="always")
    branch.stack.up()
    branch.stack.configure(environment="development", protect="always")
    (told,) = branch.values(OBJECTION, "--no-shadow")["objections"]
    assert told.startswith("villa-phase: the stack is not production any more")
    branch.stack.configure(environment="production", protect="never")
    (told,) = branch.values(OBJECTION, "--no-shadow")["objections"]
    assert told.startswith("villa-phase: what holds data is not protected any more.")
    branch.values(NOTHING, "--no-shadow", "--may-delete", "villa-phase")
    # What the program refuses by itself is told as it says it.
    branch.stack.configure(environment="production", layout="per-database")
    (told,) = branch.values(FAILED, "--no-shadow")["failures"]
    assert "trellis:layout is per-database, but shared is deployed." in told
    branch.stack.configure(environment=None, protect=None, layout=None)
    branch.stack.up()


def test_values_that_change(branch: PullRequest) -> None:
    branch.stack.configure(trustedSources=["127.0.0.1", "198.51.100.7"])
    branch.edit("systems/villa.yaml", "image: {repository: villa-api}", 'image: {repository: villa-api, tag: "2"}')
    done = branch.report("--no-shadow")
    assert done.code == NOTHING, done.out + done.err
    assert "| `villa-db-trusted-sources` | rules[198.51.100.7] is new |" in done.out
    assert "spec.services[villa-api].image.tag latest → 2" in done.out


def test_an_output_that_tells_a_secret(branch: PullRequest) -> None:
    text = (branch.stack.root / "__main__.py").read_text()
    secrets = "{'here': ['postgresql://a:hunter2@db/a'], 'hidden': pulumi.Output.secret('postgresql://a:b1@db/a')}"
    branch.write(
        "__main__.py", f"{text}\nimport pulumi\npulumi.export('uris', {secrets})\npulumi.export('api_key', 'x1')\n"
    )
    values = branch.values(OBJECTION, "--no-shadow")
    assert [one.partition(", for")[0] for one in values["objections"]] == [
        "The stack's output api_key is a plain text",
        "The stack's output uris.here[0] is a plain text with a password in a URI",
    ]


def test_a_program_that_fails(branch: PullRequest) -> None:
    branch.edit("systems/villa.yaml", "mode: transaction", "mode: transaction\n        size: 40")
    done = branch.report("--no-shadow")
    assert done.code == FAILED
    assert "**The preview is not complete.**" in done.out
    said = "systems/villa.yaml:23, clusters.main.pools.villa-pool.size: 40 connections asked, 17 left."
    assert done.out.count(said) == 1, done.out
    for claim in ("Nothing changes", "All kept", "Nobody who is connected", "$0"):
        assert claim not in done.out
