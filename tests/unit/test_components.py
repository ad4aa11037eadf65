"""Each component alone, with the fewest inputs and with outputs of others as inputs."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs
from pulumi.runtime.rpc import UNKNOWN

import components
from components import (
    DROPLET_ALERTS,
    Alerts,
    App,
    AppArgs,
    Cache,
    CacheArgs,
    Cluster,
    ClusterAlerts,
    ClusterAlertsArgs,
    ClusterArgs,
    ConnectionFiles,
    ConnectionFilesArgs,
    DatabasePlatform,
    DatabasePlatformArgs,
    DatabaseSettings,
    Dns,
    DnsArgs,
    Droplet,
    DropletArgs,
    DumpStore,
    DumpStoreArgs,
    Migrations,
    MigrationsArgs,
    Network,
    NetworkArgs,
    Phase,
    PhaseArgs,
    Pool,
    PoolArgs,
    PoolSettings,
    RecordArgs,
    Replica,
    ReplicaArgs,
    SelfHostedPlatform,
    SelfHostedPlatformArgs,
    SelfHostedServer,
    ServerArgs,
    System,
    SystemArgs,
    TrustedSources,
    TrustedSourcesArgs,
)
from tests.unit.recorder import Recorder, recorded
from trellis import settings
from trellis.settings.cluster import Backup, PoolMode, ServerSettings
from trellis.settings.resolved import LoginSettings

ROOT = Path(__file__).resolve().parents[2]
SQL = Path("migrations/villa/villa")
ALERTS = Alerts(emails=("ops@shop.example",))


def later(value: str) -> pulumi.Output[str]:
    """A value as another resource's output."""
    return pulumi.Output.from_input(value)


def _network() -> Network:
    return Network("shop", NetworkArgs(region=later("nyc1"), ip_range=later("10.20.0.0/16")))


def _cluster() -> Cluster:
    args = ClusterArgs(region=later("nyc1"), network_id=later("vpc-1"), databases=["shop"], users=["shop_app"])
    return Cluster("shop-db", args)


def _pool() -> Pool:
    cluster = _cluster()
    database, login = cluster.databases["shop"], cluster.users["shop_app"]
    return Pool("web", PoolArgs(cluster_id=cluster.id, database=database, login=login, size=17))


def _dns() -> Dns:
    args = DnsArgs(zone="shop.example", records={"api.shop.example": RecordArgs(target=later("x.example"))})
    return Dns("dns", args)


def _built(program: Callable[[], Any], recorder: Recorder | None = None) -> Recorder:
    def run() -> Mapping[str, Any]:
        program()
        return {}

    return recorded(run, recorder=recorder)[0]


def _only(program: Callable[[], Any], kind: str) -> dict[str, Any]:
    (inputs,) = _built(program).of(kind).values()
    return inputs


def test_network() -> None:
    assert _only(_network, "Vpc") == {"name": "shop-vpc", "region": "nyc1", "ipRange": "10.20.0.0/16"}


def test_cluster() -> None:
    recorder = _built(_cluster)
    assert recorder.of("DatabaseCluster")["shop-db"] == {
        "name": "shop-db",
        "engine": "pg",
        "version": "17",
        "size": "db-s-1vcpu-1gb",
        "storageSizeMib": "10240",
        "nodeCount": 1,
        "region": "nyc1",
        "privateNetworkUuid": "vpc-1",
        "maintenanceWindows": [{"day": "sunday", "hour": "04:00:00"}],
    }
    assert recorder.of("Configuration") == {}
    assert recorder.of("DatabaseDb")["shop-db-shop"] == {"name": "shop", "clusterId": "shop-db-id"}
    assert recorder.of("DatabaseUser")["shop-db-shop_app"] == {"name": "shop_app", "clusterId": "shop-db-id"}


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"backup": Backup(hour="02:30")}, {"backup_hour": 2, "backup_minute": 30}),
        (
            {"settings": ServerSettings(log_min_duration_statement=0, idle_in_transaction_session_timeout=60_000)},
            {"log_min_duration_statement": 0, "idle_in_transaction_session_timeout": 60_000},
        ),
    ],
)
def test_a_configuration(asked: dict[str, Any], wanted: dict[str, int]) -> None:
    args = ClusterArgs(region=later("nyc1"), network_id=later("vpc-1"), **asked)
    made = _only(lambda: Cluster("shop-db", args), "Configuration")
    assert (made["item"], made["method"]) == ("/v2/databases/shop-db-id/config", "PATCH")
    assert made["wanted"] == wanted


def test_a_plan_that_nobody_knows_needs_its_storage() -> None:
    def cluster(**more: Any) -> Callable[[], Cluster]:
        return lambda: Cluster("db", ClusterArgs(region="nyc1", network_id="vpc-1", plan=later("gd-2vcpu"), **more))

    assert _only(cluster(storage_gib=25), "DatabaseCluster")["storageSizeMib"] == "25600"
    with pytest.raises(ValueError, match="say how large its disk is with storage_gib"):
        _built(cluster())


def test_trusted_sources() -> None:
    args = TrustedSourcesArgs(cluster_id=later("c-1"), ranges=[later("10.20.0.0/16")], droplets=["4711"])
    assert _only(lambda: TrustedSources("trusted", args), "DatabaseFirewall") == {
        "clusterId": "c-1",
        "rules": [{"type": "ip_addr", "value": "10.20.0.0/16"}, {"type": "droplet", "value": "4711"}],
    }


def test_trusted_sources_without_anybody_would_open_the_cluster() -> None:
    with pytest.raises(ValueError, match="would open the cluster to the internet"):
        TrustedSources("trusted", TrustedSourcesArgs(cluster_id="c-1"))


def test_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    def program() -> Migrations:
        roles = {"app_role": "shop_app", "schema_name": "public"}
        return Migrations("schema", MigrationsArgs(server=_cluster(), database="shop", folder=SQL, placeholders=roles))

    made = _built(program).of("Migrations")
    (inputs,) = (inputs for inputs in made.values() if "files" in inputs)
    assert set(inputs["files"]) == {path.name for path in SQL.glob("*.sql")}
    assert (inputs["folder"], inputs["host"], inputs["database"]) == (SQL.as_posix(), "db.example", "shop")
    assert list(inputs["logins"]) == ["shop_app"]


def test_pool() -> None:
    assert _only(_pool, "DatabaseConnectionPool") == {
        "name": "web",
        "clusterId": "shop-db-id",
        "dbName": "shop",
        "user": "shop_app",
        "mode": "transaction",
        "size": 17,
    }
    size = _only(_pool, "PoolSize")
    assert (size["of"], size["item"], size["wanted"]) == ("web", "/v2/databases/shop-db-id/pools/web", {"size": 17})
    assert size["body"] == {"mode": "transaction", "db": "shop", "user": "shop_app"}


def _rotated(*, both: bool) -> Callable[[], DatabasePlatform]:
    def program() -> DatabasePlatform:
        args = DatabasePlatformArgs(
            cluster="shop-db",
            network=_network(),
            databases=[
                DatabaseSettings(name="shop", migrations=ROOT / SQL, roles={"app_role": "shop_app"}, seeds=None)
            ],
            users=["shop_app"],
            pools=[PoolSettings(name="web", database="shop", user="shop_app", mode=PoolMode.TRANSACTION, size=17)],
            logins={"shop_app": LoginSettings(serving="shop_app_2", resting="shop_app", both=both)},
            root=ROOT,
        )
        return DatabasePlatform("shop", args)

    return program


@pytest.mark.parametrize(("both", "user"), [(True, ""), (False, "shop_app_2")])
def test_a_role_whose_second_login_serves(both: bool, user: str) -> None:
    recorder = _built(_rotated(both=both))
    assert {made["name"] for made in recorder.of("DatabaseUser").values()} == {"shop_app", "shop_app_2"}
    (member,) = recorder.of("Membership").values()
    assert (member["role"], member["login"], sorted(member["logins"])) == (
        "shop_app",
        "shop_app_2",
        ["shop_app", "shop_app_2"],
    )
    (pool,) = recorder.of("PoolSize").values()
    assert pool["body"]["user"] == user
    (migrated,) = (inputs for inputs in recorder.of("Migrations").values() if "files" in inputs)
    assert list(migrated["logins"]) == ["shop_app"]


def test_a_login_without_a_pool_is_led_to_the_one_that_serves() -> None:
    seen: list[str] = []

    def program() -> None:
        shop = DatabaseSettings(name="shop", migrations=ROOT / SQL, roles={"reader_role": "shop_reader"}, seeds=None)
        args = DatabasePlatformArgs(
            cluster="shop-db",
            network=_network(),
            databases=[shop],
            users=["shop_reader"],
            logins={"shop_reader": LoginSettings(serving="shop_reader_2", resting="shop_reader")},
            root=ROOT,
        )
        DatabasePlatform("shop", args).login_uris["shop_reader"]["shop"].apply(seen.append)

    _built(program)
    assert [urlsplit(uri).username for uri in seen] == ["shop_reader_2"]


class _Silent(Recorder):
    """A cloud that answers no look-up."""

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, [(args.token, "the connection is closing")]


@pytest.mark.parametrize(
    ("program", "what"),
    [(_cluster, "the CA certificate of shop-db"), (_dns, "the zone shop.example")],
    ids=["certificate", "zone"],
)
def test_a_look_up_that_fails_ends_the_program_with_one_line(program: Callable[[], Any], what: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^{what} cannot be looked up: .*the connection is closing"):
        _built(program, _Silent())


class _Unmade(Recorder):
    """A preview in which no pool is made yet. standing: where one of the name answers today, if there is one."""

    def __init__(self, standing: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._standing = standing

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identifier, state = super().new_resource(args)
        made = not args.typ.endswith(":DatabaseConnectionPool")
        return identifier, state if made else {**state, **dict.fromkeys(("host", "privateHost", "port"), UNKNOWN)}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if not args.token.endswith(":getDatabaseConnectionPool"):
            return super().call(args)
        assert args.args == {"clusterId": "shop-db-id", "name": "web"}
        missing = [] if self._standing else [("name", "there is no such pool")]
        return {**args.args, **(self._standing or {})}, missing


def test_a_preview_knows_where_a_pool_answers_that_is_replaced_and_not_where_a_new_one_will() -> None:
    def program() -> Mapping[str, pulumi.Output[Any]]:
        return {**vars(_pool().endpoint)}

    standing = {"host": "db.example", "privateHost": "private-db.example", "port": 25061}
    found = {"public_host": "db.example", "private_host": "private-db.example", "port": 25061}
    assert recorded(program, preview=True, recorder=_Unmade(standing))[1] == found
    assert recorded(program, preview=True, recorder=_Unmade(None))[1] == {}
    # `up` takes what the pool says that it made.
    assert recorded(program, recorder=_Unmade({**standing, "port": 1}))[1] == {}
    uri = "postgresql://shop_app:p%40ss%2Fword@{}:25061/web?sslmode=verify-full"
    _, uris = recorded(lambda: {"outside": _pool().uri()})
    assert uris == {"outside": uri.format("db.example")}
    _, uris = recorded(lambda: {"inside": _pool().uri(private=True)})
    assert uris == {"inside": uri.format("private-db.example")}


def test_replica() -> None:
    args = ReplicaArgs(cluster_id=later("c-1"), region="sfo3", network_id=later("vpc-2"), plan="db-s-2vcpu-4gb")
    assert _only(lambda: Replica("reads", args), "DatabaseReplica") == {
        "name": "reads",
        "clusterId": "c-1",
        "size": "db-s-2vcpu-4gb",
        "storageSizeMib": "61440",
        "region": "sfo3",
        "privateNetworkUuid": "vpc-2",
    }


def _app(**more: Any) -> App:
    return App("shop-api", AppArgs(region=later("nyc1"), network_id=later("vpc-1"), repository="api", **more))


def test_app() -> None:
    spec = _only(_app, "App")["spec"]
    (service,) = spec["services"]
    assert (spec["name"], spec["region"], spec["vpcs"]) == ("shop-api", "nyc", [{"id": "vpc-1"}])
    assert service["image"] == {"registryType": "DOCR", "repository": "api", "tag": "latest"}
    assert (service["httpPort"], service["instanceCount"], service["healthCheck"]) == (8080, 1, {"httpPath": "/"})


def test_app_with_an_environment() -> None:
    environment = {"A": "${apps.other.url}", "B": later("as ${it} is"), "C": "${cache.url}"}
    spec = _only(lambda: _app(environment=environment, hosts={"other": later("other.example")}), "App")["spec"]
    values = {variable["key"]: variable["value"] for variable in spec["services"][0]["envs"]}
    assert values == {"A": "https://other.example", "B": "as ${it} is", "C": ""}
    with pytest.raises(ValueError, match=r"shop-api, A: \$\{apps\.gone\.url\} is not known\. Known: cache\.url"):
        _built(lambda: _app(environment={"A": "${apps.gone.url}"}))


def test_cache() -> None:
    args = CacheArgs(region="nyc1", network_id=later("vpc-1"), ranges=[later("10.20.0.0/16")])
    recorder = _built(lambda: Cache("shop-cache", args))
    cluster = recorder.of("DatabaseCluster")["shop-cache"]
    assert (cluster["name"], cluster["engine"], cluster["evictionPolicy"]) == ("shop-cache", "valkey", "noeviction")
    assert recorder.of("DatabaseValkeyConfig")["shop-cache-config"]["persistence"] == "rdb"
    assert len(recorder.of("DatabaseFirewall")) == 1
    assert recorder.of("MonitorAlert") == {}


def test_droplet() -> None:
    args = DropletArgs(size="s-1vcpu-1gb", region=later("nyc1"), network_id=later("vpc-1"))
    inputs = _only(lambda: Droplet("web", args), "Droplet")
    assert (inputs["name"], inputs["image"], inputs["vpcUuid"]) == ("web", "debian-12-x64", "vpc-1")


def test_dns() -> None:
    inputs = _only(_dns, "DnsRecord")
    assert (inputs["name"], inputs["content"], inputs["proxied"]) == ("api.shop.example", "x.example", True)


@pytest.mark.parametrize(("more", "kind"), [({}, "v1/dbaas/alerts/"), ({"kinds": DROPLET_ALERTS}, "v1/insights/")])
def test_alerts(more: Mapping[str, Any], kind: str) -> None:
    args = ClusterAlertsArgs(cluster_id=later("c-1"), cluster_name=later("shop-db"), alerts=ALERTS, **more)
    made = _built(lambda: ClusterAlerts("alerts", args)).of("MonitorAlert")
    assert len(made) == 4
    assert all(alert["type"].startswith(kind) for alert in made.values())
    assert made["alerts-cpu"]["description"] == "shop-db: CPU above 80 % for 5m"


def test_connection_files() -> None:
    args = ConnectionFilesArgs(folder=Path("files"), texts={"db/web.url": later("postgresql://")})
    inputs = _only(lambda: ConnectionFiles("files", args), "ConnectionFile")
    assert (inputs["path"], inputs["text"]["value"]) == ("files/db/web.url", "postgresql://")


def test_phase() -> None:
    inputs = _only(lambda: Phase("phase", PhaseArgs(phase=settings.Phase.GROWTH)), "Phase")
    assert (inputs["phase"], inputs["rank"], inputs["mode"], inputs["protect"]) == ("growth", 1, "managed", True)


DATABASES = (DatabaseSettings(name="shop", migrations=ROOT / SQL, roles={"app_role": "shop_app"}, seeds=None),)
POOLS = (PoolSettings(name="web", database="shop", user="shop_app", mode=PoolMode.TRANSACTION, size=17),)


def test_database_platform() -> None:
    def program() -> Mapping[str, Any]:
        made = DatabasePlatform(
            "shop",
            DatabasePlatformArgs(
                cluster="shop-db", network=_network(), databases=DATABASES, users=["shop_app"], pools=POOLS, root=ROOT
            ),
        )
        return made.pooled_uris

    recorder, uris = recorded(program)
    assert list(recorder.of("DatabaseCluster")) == ["shop-db"]
    assert list(recorder.of("DatabaseConnectionPool")) == ["shop-db-web"]
    assert recorder.of("DatabaseReplica") == {}
    assert list(uris) == ["web"]


def test_self_hosted_server_and_platform() -> None:
    args = ServerArgs(
        network=_network(), droplet="s-1vcpu-2gb", volume_gib=10, users=["shop_app"], databases=["shop"], pools=POOLS
    )
    recorder = _built(lambda: SelfHostedServer("shop-db", args))
    assert recorder.of("Droplet")["shop-db"]["size"] == "s-1vcpu-2gb"
    assert recorder.of("Volume")["shop-db-data"]["size"] == 10
    # A state of before has none of this, and sees no change.
    assert "logins" not in recorder.of("Contents")["shop-db-contents"]
    platform = SelfHostedPlatformArgs(
        cluster="shop-db",
        network=_network(),
        databases=DATABASES,
        users=["shop_app"],
        pools=POOLS,
        root=ROOT,
        droplet="s-1vcpu-2gb",
        volume_gib=10,
    )
    recorder = _built(lambda: SelfHostedPlatform("shop", platform))
    assert list(recorder.of("Droplet")) == ["shop-db"]
    assert "shop-db-shop-migrations" in recorder.of("Migrations")


@pytest.mark.parametrize(
    ("both", "round_", "keepers"),
    [(True, 1, ("1", None)), (False, 1, ("1", "1")), (True, 2, ("2", "1")), (False, 2, ("2", "2"))],
)
def test_a_self_hosted_login_has_another_password_in_each_round_and_the_old_one_when_nobody_needs_it(
    both: bool, round_: int, keepers: tuple[str, str | None]
) -> None:
    seen: list[str] = []
    pair = LoginSettings(serving="shop_app_2", resting="shop_app", both=both, round=round_)

    def program() -> None:
        platform = SelfHostedPlatformArgs(
            cluster="shop-db",
            network=_network(),
            databases=DATABASES,
            users=["shop_app", "shop_other"],
            pools=POOLS,
            logins={"shop_app": pair},
            root=ROOT,
            droplet="s-1vcpu-2gb",
            volume_gib=10,
        )
        SelfHostedPlatform("shop", platform).pooled_uris["web"].apply(seen.append)

    recorder = _built(program)
    made = {name: inputs.get("keepers") for name, inputs in recorder.of("RandomPassword").items()}
    told = {name: {"round": keeper} if keeper else None for name, keeper in zip(pair.admitted, keepers, strict=True)}
    untold: dict[str, None] = {"doadmin": None, "shop_other": None}
    assert made == {f"shop-db-{login}": keeper for login, keeper in {**untold, **told}.items()}
    (contents,) = recorder.of("Contents").values()
    assert contents["logins"] == {"shop_app": {"shop_app_2": True, "shop_app": both}}
    assert [pool["user"] for pool in contents["pools"]] == ["shop_app"]
    (member,) = recorder.of("Membership").values()
    assert (member["role"], member["login"], member["database"]) == ("shop_app", "shop_app_2", "defaultdb")
    assert [urlsplit(uri).username for uri in seen] == ["shop_app_2"]


def test_dump_store() -> None:
    recorder = _built(lambda: DumpStore("dumps", DumpStoreArgs(region=later("nyc1"))))
    assert recorder.of("SpacesBucket")["dumps"]["region"] == "nyc3"
    assert recorder.of("SpacesKey")["dumps"]["name"] == "dumps"


def test_system() -> None:
    chosen = settings.load({"trellis:system": "villa"}, ROOT, stack="dev")
    recorder, outputs = recorded(lambda: System("villa", SystemArgs(settings=chosen, root=ROOT, stack="dev")).outputs)
    assert list(recorder.of("Vpc")) == ["villa"]
    assert outputs["system"] == "villa"


def test_everything_is_exported() -> None:
    text = Path(components.__file__).read_text()
    imported = {
        name.strip()
        for line in re.findall(r"^    from \S+ import (.*)$", text, re.MULTILINE)
        for name in line.split(",")
    }
    homes = [name for names in components._HOMES.values() for name in names]
    assert imported == set(homes) == set(components.__all__)
    assert all(getattr(components, name) for name in homes)
    kinds = [
        match
        for path in Path(components.__file__).parent.rglob("*.py")
        for match in re.findall(r"^class (\w+)\(pulumi\.ComponentResource\)", path.read_text(), re.MULTILINE)
    ]
    assert len(kinds) > 10
    assert set(kinds) <= set(homes)


def test_the_page_names_every_component_input_and_output() -> None:
    page = (ROOT / "docs" / "components.md").read_text()
    rows = {cells[1].strip(" `"): row for row in page.splitlines() if len(cells := row.split("|")) == 5}
    for name in components.__all__:
        kind = getattr(components, name)
        if not (isinstance(kind, type) and issubclass(kind, pulumi.Resource)):
            continue
        arguments = ServerArgs if name == "SelfHostedServer" else getattr(components, f"{name}Args")
        inputs, outputs = set(arguments.__dataclass_fields__), set(inspect.get_annotations(kind))
        if name.startswith("SelfHosted"):
            # Their rows say "those of" another one.
            inputs -= set(DatabasePlatformArgs.__dataclass_fields__)
            outputs -= set(Cluster.__annotations__) | set(DatabasePlatform.__annotations__)
        missing = {word for word in inputs | outputs if f"`{word}`" not in rows[name]}
        assert not missing, f"{name}: {missing}"


def test_importing_the_package_imports_no_sdk() -> None:
    program = (
        "import sys; from components import App, Cluster, Migrations, Network, Pool, System, TrustedSources\n"
        "sys.exit(', '.join(n for n in ('pulumi_cloudflare', 'pulumi_random') if n in sys.modules) or 0)"
    )
    done = subprocess.run((sys.executable, "-c", program), cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
