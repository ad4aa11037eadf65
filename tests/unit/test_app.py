"""What an app's environment may refer to."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.recorder import record
from trellis import settings

ROOT = Path(__file__).resolve().parents[2]

SYSTEM = """\
name: shop
region: nyc1
network: {ip_range: 10.20.0.0/16}
clusters:
  main:
    name: shop-db
    version: "17"
    users: [shop_app]
    databases: {shop: {}}
    pools:
      web: {database: shop, user: shop_app}
    phases:
      scale: {plan: db-s-2vcpu-4gb, replicas: 1}
apps:
  shop-api:
    image: {repository: shop-api}
    pool: main.web
    environment:
      DB: ${pool.user}:${pool.password}@${pool.host}:${pool.port}/${pool.name}
      REPORTS_URL: ${replica.url}
      PLAIN: as it stands
alerts:
  emails: [ops@shop.dev]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "shop.yaml").write_text(SYSTEM)
    (tmp_path / "migrations" / "shop" / "shop").mkdir(parents=True)
    (tmp_path / "migrations" / "shop" / "shop" / "V1__Start.sql").write_text("SELECT 1;")
    return tmp_path


def _environment(root: Path, phase: str) -> dict[str, str]:
    chosen = settings.load({"trellis:system": "shop", "trellis:phase": phase}, root, stack="dev")
    spec = record(chosen, root)[0].of("App")["shop-api"]["spec"]
    return {variable["key"]: variable["value"] for variable in spec["services"][0]["envs"]}


def test_every_part_of_a_pool(root: Path) -> None:
    environment = _environment(root, "launch")
    assert environment["DB"] == "${db.USERNAME}:${db.PASSWORD}@private-db.example:25061/web"
    assert environment["PLAIN"] == "as it stands"


def test_the_replica_is_empty_until_there_is_one(root: Path) -> None:
    assert _environment(root, "launch")["REPORTS_URL"] == ""
    assert _environment(root, "scale")["REPORTS_URL"] == (
        "postgresql://${db.USERNAME}:${db.PASSWORD}@private-replica.example:25060/shop?sslmode=verify-full"
    )


def test_a_stack_without_dns_never_imports_cloudflare(root: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from trellis import settings
from tests.unit.recorder import record
root = Path({str(root)!r})
record(settings.load({{"trellis:system": "shop"}}, root, stack="dev"), root)
sys.exit(", ".join(name for name in ("pulumi_cloudflare", "pulumi_random") if name in sys.modules) or 0)
"""
    done = subprocess.run((sys.executable, "-c", program), cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
