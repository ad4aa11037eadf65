"""A folder with one small system, for tests that break it."""

from pathlib import Path
from typing import Protocol

import pytest

from trellis import settings
from trellis.settings import Settings

SYSTEM = """\
name: shop
region: nyc1
network:
  ip_range: 10.20.0.0/16
clusters:
  main:
    name: shop-db
    version: "17"
    users: [shop_app]
    databases:
      shop:
        roles: {app_role: shop_app}
    pools:
      web: {database: shop, user: shop_app}
apps:
  shop-api:
    image: {repository: shop-api}
    pool: main.web
    environment:
      DATABASE_URL: ${pool.url}
dns:
  zone: shop.example
  records:
    api.shop.example: {app: shop-api}
alerts:
  emails: [ops@shop.dev]
"""


class Load(Protocol):
    """Loads the small system with changed text and config."""

    def __call__(self, *changes: tuple[str, str], **config: str) -> Settings: ...


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a program with the small system in it."""
    (tmp_path / "systems").mkdir()
    (tmp_path / "migrations" / "shop" / "shop").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def load(root: Path) -> Load:
    """`load(("old", "new"), phase="growth")`: the system with each old text replaced, under that config."""

    def build(*changes: tuple[str, str], **config: str) -> Settings:
        text = SYSTEM
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (root / "systems" / "shop.yaml").write_text(text)
        return settings.load(
            {f"trellis:{key}": value for key, value in {"system": "shop", **config}.items()}, root, stack="dev"
        )

    return build
