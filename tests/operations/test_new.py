"""`trellis new`: what it writes, and what it refuses. tests/package deploys it."""

from pathlib import Path

import pytest
import yaml

from tools import ROOT
from trellis.operations.cli import main


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new repository, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "shop"]) == 0
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def _files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_every_place_is_filled(shop: Path) -> None:
    for name, text in _files(shop).items():
        assert not any(f"@{word}@" in text for word in ("name", "system", "database", "range", "option")), name
    assert yaml.safe_load((shop / "systems/shop.yaml").read_text())["name"] == "shop"


@pytest.mark.parametrize("name", ["operate", "backup", "drill"])
def test_what_is_done_by_the_clock_is_done_as_in_this_repository(shop: Path, name: str) -> None:
    here, there = (
        yaml.safe_load((root / ".github" / "workflows" / f"{name}.yml").read_text()) for root in (ROOT, shop)
    )
    # `on` is YAML for true.
    assert (here[True], here["permissions"], here["concurrency"]) == (
        there[True],
        there["permissions"],
        there["concurrency"],
    )
    ours, theirs = here["jobs"][name], there["jobs"][name]
    assert {key: ours[key] for key in ("environment", "runs-on", "timeout-minutes")} == {
        key: theirs[key] for key in ("environment", "runs-on", "timeout-minutes")
    }
    # Nothing is asked for before a stack stands.
    assert theirs["if"] in ("vars.STACKS", "vars.BACKED_UP_STACKS")
    steps = [step for step in ours["steps"] if "auth-actions" not in step.get("uses", "")]
    for step in steps:
        if "env" in step:
            step["env"]["PULUMI_ACCESS_TOKEN"] = "${{ secrets.PULUMI_ACCESS_TOKEN }}"
            step["run"] = step["run"].replace(".venv/bin/python -m trellis", ".venv/bin/trellis")
    assert steps == theirs["steps"]


def test_nothing_is_written_over(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "Makefile").write_text("mine")
    before = _files(shop)
    assert main(["new", "shop", "--folder", str(shop)]) == 1
    assert "has Makefile, " in capsys.readouterr().err
    assert main(["new", "system", "shop"]) == 1
    assert _files(shop) == before


def test_a_repository_goes_into_a_folder_that_holds_other_things(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    assert main(["new", "shop", "--folder", str(tmp_path)]) == 0
    assert (tmp_path / "LICENSE").read_text() == "mine"


def test_one_more_system_has_a_range_and_a_stack_of_its_own(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop / "migrations")
    assert main(["new", "system", "pay-roll"]) == 0
    ranges = {yaml.safe_load(path.read_text())["network"]["ip_range"] for path in (shop / "systems").glob("*.yaml")}
    assert len(ranges) == 2
    assert (shop / "migrations/pay-roll/pay_roll/V1.0.0__Items.sql").is_file()
    assert yaml.safe_load((shop / "Pulumi.pay-roll.yaml").read_text())["config"]["trellis:system"] == "pay-roll"


def test_the_next_one_of_a_drizzle_folder_is_drizzle_kits(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shop / "migrations/shop/shop"
    (folder / "V1.0.0__Items.sql").rename(folder / "0000_items.sql")
    (folder / "meta").mkdir()
    (folder / "meta/_journal.json").write_text(
        '{"dialect": "postgresql", "entries": [{"idx": 0, "when": 1, "tag": "0000_items", "breakpoints": true}]}'
    )
    assert main(["new", "migration", "Orders"]) == 1
    assert "`drizzle-kit generate` writes the next one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("highest", "following"), [("1.0.6", "1.1.0"), ("1.9", "1.10"), ("7", "8"), ("2.0.0.1", "2.1.0.0")]
)
def test_the_next_version(shop: Path, highest: str, following: str) -> None:
    folder = shop / "migrations/shop/shop"
    (folder / "V1.0.0__Items.sql").rename(folder / f"V{highest}__Items.sql")
    assert main(["new", "migration", "Orders", "of", "people"]) == 0
    assert (folder / f"V{following}__Orders_of_people.sql").read_text() == "-- Orders of people\n"


def test_the_first_version(shop: Path) -> None:
    for path in (shop / "migrations/shop/shop").iterdir():
        path.unlink()
    assert main(["new", "migration", "Orders"]) == 0
    first = shop / "migrations/shop/shop/V1.0.0__Orders.sql"
    assert first.is_file()
    first.rename(first.with_name("1.0.0__Orders.sql"))
    first.with_name("migrations.conf").write_text("prefix=")
    assert main(["new", "migration", "More"]) == 0
    assert first.with_name("1.1.0__More.sql").is_file()


def test_one_of_several_databases(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "system", "other"]) == 0
    assert main(["new", "migration", "Orders"]) == 2
    assert "Name one: --system other --database other, --system shop --database shop" in capsys.readouterr().err
    assert main(["new", "migration", "Orders", "--system", "other"]) == 0
    assert (shop / "migrations/other/other/V1.1.0__Orders.sql").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Shop"], "a name is lower-case letters"),
        (["a--b"], "a name is lower-case letters"),
        (["x" * 31], "up to 30 characters"),
        (["shop", "two"], "a repository has one name"),
        (["system"], "wants a name"),
        (["migration"], "wants a description"),
        (["migration", "a/b"], "a description is letters"),
        (["system", "other", "--folder", "x"], "--folder belongs to a new repository"),
        (["other", "--system", "shop"], "belong to `trellis new migration`"),
        (["migration", "Orders", "--database", "nowhere"], "No database fits. Name one: --system shop"),
    ],
)
def test_a_wrong_call_writes_nothing(
    shop: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _files(shop)
    assert main(["new", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert _files(shop) == before


def test_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["new", "system", "other"], ["new", "migration", "Orders"], ["dev", "up"]):
        assert main(arguments) == 1
        assert "holds a Pulumi.yaml. Change to your repository." in capsys.readouterr().err


def test_a_system_file_that_cannot_be_read(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "systems/shop.yaml").write_text("clusters: [")
    assert main(["new", "migration", "Orders"]) == 1
    assert "systems/shop.yaml:1: not valid YAML" in capsys.readouterr().err
