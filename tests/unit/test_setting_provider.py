"""A setting that is changed where it stands: what is asked of DigitalOcean, and when nothing is."""

from typing import Any

import pytest

from trellis.providers.settings import SettingProvider

POOL = {"mode": "transaction", "db": "shop", "size": 17}
PROPS = {"provider_version": "1", "item": "/pools/web", "root": "pool", "method": "PUT", "at": "", "of": "web"}


class Cloud(SettingProvider):
    """A pool that stands, and what was asked of it. keeps: whether what a change leaves out stays."""

    def __init__(self, pool: dict[str, Any], *, keeps: bool = False) -> None:
        self.pool, self.keeps = pool, keeps
        self.sent: list[Any] = []

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        if method == "PUT" and body is not None and path == PROPS["item"]:
            self.sent.append(body)
            self.pool = {**self.pool, **body} if self.keeps else {"name": "web", **body}
            return {}
        return {"pool": self.pool}


def asked(user: str, size: int = 17) -> dict[str, Any]:
    return {**PROPS, "wanted": {"size": size}, "body": {"mode": "transaction", "db": "shop", "user": user}}


def test_another_user_is_a_change_and_the_same_is_none() -> None:
    cloud = Cloud({**POOL, "user": "shop_app"})
    cloud.update("", {}, asked("shop_app"))
    assert cloud.sent == []
    cloud.update("", {}, asked("shop_app_2"))
    assert cloud.sent == [{**POOL, "user": "shop_app_2"}]


@pytest.mark.parametrize("nobody", [{}, {"user": None}, {"user": ""}])
def test_no_user_is_left_out_of_the_change(nobody: dict[str, Any]) -> None:
    cloud = Cloud({**POOL, "user": "shop_app"})
    cloud.update("", {}, asked(""))
    assert cloud.sent == [POOL]
    cloud.pool = {**POOL, **nobody}
    cloud.update("", {}, asked(""))
    assert cloud.sent == [POOL]


def test_a_user_that_stays_although_it_was_left_out_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"^/pools/web still has user shop_app, which was to be taken away.$"):
        Cloud({**POOL, "user": "shop_app"}, keeps=True).update("", {}, asked(""))


def test_a_refresh_notices_another_user_and_another_size() -> None:
    outs = Cloud({**POOL, "user": None, "size": 3}).read("", asked("shop_app")).outs or {}
    assert (outs["wanted"], outs["body"]["user"]) == ({"size": 3}, "")


def test_an_hour_of_zero_is_an_hour() -> None:
    cloud = Cloud({"backup_minute": 0})
    cloud.update("", {}, {**PROPS, "wanted": {"backup_hour": 0, "backup_minute": 0}, "body": {}})
    assert cloud.sent == [{"backup_hour": 0, "backup_minute": 0}]
