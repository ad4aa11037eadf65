"""`trellis diagram`: what hangs on what, that Mermaid can read it, and what the command refuses."""

import re
from itertools import product
from pathlib import Path

import pytest

from tests.operations.conftest import Trellis
from tests.told import told
from tests.unit.recorder import record
from tools import ROOT
from trellis import settings
from trellis.operations.arguments import parser
from trellis.operations.cli import main
from trellis.operations.diagram.drawing import PERHAPS, as_mermaid, with_changes
from trellis.policies.kinds import APP, CLUSTER, FIREWALL, POOL, REPLICA
from trellis.settings import Phase, Settings

SYSTEMS = sorted(path.stem for path in (ROOT / "systems").glob("*.yaml"))
_LABEL = r'"(?:[\w .,:/-]|#\d+;|<br/>)+"'
_NODE = rf"(?P<{{}}>[a-z]+\d*(?:[a-z]+\d*)?)(?:\(\[{_LABEL}\]\)|\[\({_LABEL}\)\]|\[{_LABEL}\])?"
LINE = re.compile(
    rf"end|direction LR|subgraph (?P<frame>[a-z]+)\[{_LABEL}\]"
    rf"|classDef (?P<style>[a-z]+) [a-z]+:[#\w]+(?:,[a-z-]+:[#\w ]+)*|class (?P<members>[a-z\d,]+) (?P<class>[a-z]+)"
    rf"|{_NODE.format('node')}(?: (?P<kind>-->|-\.->)(?:\|{_LABEL}\|)? {_NODE.format('to')})?"
)
MORE = {
    "villa": {"nameSuffix": "staging", "copyTo": '{"region": "sfo3", "ipRange": "10.101.0.0/16"}'},
    "audifi": {"caches": '["main"]'},
    "capsule": {"layout": "per-database"},
    "freshtrack": {"mode": "self-hosted"},
}


def load(system: str, phase: str = "launch", **config: str) -> Settings:
    chosen = {
        "trellis:system": system,
        "trellis:phase": phase,
        **told(system),
        **{f"trellis:{key}": config[key] for key in config},
    }
    return settings.load(chosen, ROOT, stack="prod")


def read(drawn: str) -> tuple[dict[str, list[str]], set[tuple[str, str, str]]]:
    """Node -> the lines of its label, and edges: from, kind, to. Every line must be one of Mermaid's."""
    head, *lines = drawn.splitlines()
    assert head == "flowchart LR"
    edges = set()
    for line in lines:
        found = LINE.fullmatch(line.strip())
        assert found, line
        if found["kind"]:
            edges.add((found["node"], found["kind"], found["to"]))
    text = re.findall(r'([a-z]+\d*(?:[a-z]+\d*)?)(?:\[|\()+"([^"]+)"', drawn)
    nodes = {name: label.split("<br/>") for name, label in text}
    assert len(nodes) == len(text), "a node has two labels"
    assert {name for start, _, end in edges for name in (start, end)} <= nodes.keys()
    # "end" in lower case ends a frame wherever it stands.
    assert "end" not in nodes
    return nodes, edges


@pytest.mark.parametrize(
    "chosen",
    [
        *(pytest.param(load(name, phase), id=f"{name}-{phase}") for name, phase in product(SYSTEMS, Phase)),
        *(pytest.param(load(name, "scale", **config), id=f"{name}-more") for name, config in MORE.items()),
    ],
)
def test_everything_hangs_on_what_it_uses(chosen: Settings) -> None:
    nodes, edges = read(as_mermaid(chosen))
    named = {label[0]: name for name, label in nodes.items()}
    expected = set()
    for cluster in chosen.clusters:
        node = named[chosen.physical(cluster.name)]
        label = nodes[node]
        assert label[3:5] == [f"{cluster.budget.limit} connections", f"{cluster.budget.headroom} kept free"]
        assert any(line.endswith(cluster.plan.slug) for line in label)
        names = [database.name for database in cluster.databases]
        assert label[5:] == (["databases:", *names] if len(names) > 1 else [f"database {names[0]}"])
        for pool in cluster.pools:
            expected.add((named[pool.name], "-->", node))
            assert nodes[named[pool.name]][1:] == [f"{pool.size} connections", pool.mode.value]
        expected |= {
            (node, "-.->", named[chosen.physical(cluster.name) + f"-replica-{number}"])
            for number in range(1, cluster.replicas + 1)
        }
        expected |= {(node, "-.->", named[chosen.physical(cluster.name) + "-copy"])} if chosen.copy else set()
        expected |= {(node, "-.->", named["Spaces"])} if cluster.self_hosted else set()
        expected |= {(named[chosen.physical(droplet)], "-->", node) for droplet in chosen.droplets}
    caches = {cache.key: named[chosen.physical(cache.cache.name)] for cache in chosen.caches}
    for app in chosen.apps:
        expected |= {(named[app.name], "-->", named[app.pool])} if app.pool else set()
        expected |= {(named[app.name], "-->", caches[app.cache])} if app.cache else set()
        expected |= {(named[app.name], "-->", named[other]) for other in app.app.apps}
    if chosen.dns:
        expected |= {(named[record.host], "-->", named[record.app]) for record in chosen.dns.records}
    assert edges == expected


def classes(drawn: str) -> dict[str, set[str]]:
    """Class -> its nodes and frames. Each of them is there, and each class has a style."""
    read(drawn)
    lines = [found for line in drawn.splitlines() if (found := LINE.fullmatch(line.strip()))]
    members = {found["class"]: set(found["members"].split(",")) for found in lines if found["class"]}
    assert {found["style"] for found in lines if found["style"]} == members.keys()
    return members


def drawn_things(chosen: Settings) -> set[str]:
    """Every node and every frame."""
    drawn = as_mermaid(chosen)
    return {*read(drawn)[0], *re.findall(r"subgraph ([a-z]+)", drawn)}


@pytest.mark.parametrize(
    "chosen",
    [
        *(pytest.param(load(name, "scale"), id=name) for name in SYSTEMS),
        *(pytest.param(load(name, "scale", **config), id=f"{name}-more") for name, config in MORE.items()),
    ],
)
def test_everything_that_is_drawn_is_a_resource_of_the_program(chosen: Settings) -> None:
    made = [(one.typ, one.name) for one in record(chosen, ROOT)[0].resources]
    (changed,) = classes(with_changes(chosen, dict.fromkeys(made, "update")) or "").values()
    # A self-hosted server's pools are nothing of the cloud's.
    own = {name for name in drawn_things(chosen) if chosen.clusters[0].self_hosted and name.startswith("pool")}
    assert changed == drawn_things(chosen) - own
    # A resource that goes away is drawn where it was not, so every other one has its node.
    (gone,) = classes(with_changes(chosen, dict.fromkeys(made, "delete")) or "").values()
    assert gone == changed


def test_what_changes_is_in_colour_and_what_goes_away_beside_it() -> None:
    villa = load("villa", "scale")
    changes = {
        (CLUSTER, "villa-db"): "update",
        (POOL, "villa-db-villa-pool"): "replace",
        (REPLICA, "villa-db-replica-1"): "create",
        (APP, "villa-api"): PERHAPS,
        (APP, 'old"]; end'): "delete",
        (FIREWALL, "villa-db-trusted-sources"): "delete",
    }
    drawn = with_changes(villa, changes)
    assert drawn
    assert drawn.startswith(as_mermaid(villa))
    assert classes(drawn) == {
        "update": {"cluster1"},
        "replace": {"pool1"},
        "create": {"cluster1replica1"},
        "perhaps": {"app2"},
        "delete": {"gone1"},
    }
    assert read(drawn)[0]["gone1"] == ["old#34;#93;#59; end", "App"]
    assert with_changes(villa, {(FIREWALL, "villa-db-trusted-sources"): "update"}) is None


def test_a_label_is_text_to_mermaid_and_to_markdown(tmp_path: Path) -> None:
    text = (ROOT / "systems/villa.yaml").read_text()
    odd = text.replace(
        "image: {repository: villa-web}", "size: '`</a>\"];end #1 *'\n    image: {repository: villa-web}"
    )
    odd = odd.replace("      villa:\n", "      _villa_: {}\n      villa:\n")
    assert odd.count("_villa_") == 1
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems/villa.yaml").write_text(odd)
    for folder in ("villa", "_villa_"):
        (tmp_path / "migrations/villa" / folder).mkdir(parents=True)
    drawn = as_mermaid(settings.load({"trellis:system": "villa"}, tmp_path, stack="dev"))
    nodes, _ = read(drawn)
    assert nodes["app1"] == ["villa-web", "#96;#60;/a#62;#34;#93;#59;end #35;1 #42;"]
    assert nodes["cluster1"][5:] == ["databases:", "#95;villa#95;", "villa"]


def test_the_readme_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", "--system", str(ROOT / "systems/villa.yaml"), "--phase", "scale"]) == 0
    assert f"\n```mermaid\n{capsys.readouterr().out}```\n" in (ROOT / "README.md").read_text()


def test_a_stack_is_drawn_as_its_files_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("systems", "migrations"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "Pulumi.yaml").write_text(
        "name: trellis\nconfig:\n  caches: {type: array, default: []}\n  trellis:phase: {value: growth}\n"
    )
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  trellis:system: audifi\n  trellis:caches: [main]\n  trellis:seedData: true\n"
        "  trellis:environment: development\n  other:key: {secure: v1:x}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["diagram", "--stack", "dev"]) == 0
    printed = capsys.readouterr().out
    assert "Valkey 8" in printed
    assert "db-s-1vcpu-2gb" in printed
    assert main(["diagram", "--stack", "dev", "--phase", "scale", "--output", "drawn.mmd"]) == 0
    assert capsys.readouterr().out == ""
    drawn = (tmp_path / "drawn.mmd").read_text()
    assert "audifi-db-replica-1" in drawn
    (tmp_path / "Pulumi.dev.yaml").rename(tmp_path / "other.yaml")
    assert main(["diagram", "--stack", "dev", "--config-file", "other.yaml"]) == 0
    assert capsys.readouterr().out == printed


def test_every_phase_can_be_asked_for() -> None:
    for phase in Phase:
        assert parser().parse_args(["diagram", "--phase", phase]).phase == phase


def test_what_cannot_be_drawn_is_told(trellis: Trellis, tmp_path: Path) -> None:
    def refused(code: int, said: str, *arguments: str) -> None:
        done = trellis("diagram", *arguments)
        assert (done.code, done.out) == (code, "")
        assert said in done.err
        assert "Traceback" not in done.err

    villa = str(ROOT / "systems/villa.yaml")
    refused(1, "holds a Pulumi.yaml")
    refused(2, "no system file", "--system", "villa")
    refused(2, "not allowed with argument", "--system", villa, "--stack", "dev")
    refused(2, "--config-file belongs to a stack", "--system", villa, "--config-file", "x")
    refused(2, "invalid choice: 'huge'", "--phase", "huge")
    refused(1, "No such file or directory", "--system", villa, "--output", "no/where")
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    refused(1, "There is no", "--stack", "dev")
    (tmp_path / "Pulumi.dev.yaml").write_text("- 1\n")
    refused(1, "expected keys and values")
    (tmp_path / "Pulumi.dev.yaml").write_text("a: [\n")
    refused(1, "Pulumi.dev.yaml:2: not valid YAML")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {trellis:system: shop}\n")
    refused(1, "there is no system 'shop'")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Pulumi.dev.yaml", "Pulumi.yaml"]
