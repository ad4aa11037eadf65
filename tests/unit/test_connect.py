"""The files that let psql in without a password on its command line."""

import configparser
from pathlib import Path
from typing import Any

import pytest

from trellis import connect

OUTPUTS: dict[str, Any] = {
    "ca_certificates": {"shop-db": "-----BEGIN CERTIFICATE-----\n"},
    "pooled_uris": {"shop-db": {"web": "postgresql://shop_app:p%3Aa%5Css@127.0.0.1:6001/web?sslmode=verify-full"}},
    "direct_uris": {"shop-db": {"shop": "postgresql://doadmin:secret@127.0.0.1:6000/shop?sslmode=verify-full"}},
    "replica_uris": {"shop-db": {"web-1": "postgresql://shop_app:p%3Aa%5Css@127.0.0.1:6002/shop?sslmode=verify-full"}},
    "login_uris": {
        "shop-db": {"reader": {"shop-replica-1": "postgresql://reader:r@127.0.0.1:6002/shop?sslmode=verify-full"}}
    },
}


def test_a_service_for_every_way_in(tmp_path: Path) -> None:
    connect.write(tmp_path, OUTPUTS)
    assert connect.services(tmp_path) == ["web", "shop-direct", "web-1-replica", "reader-shop-replica-1"]
    services = configparser.ConfigParser(interpolation=None)
    services.read(tmp_path / "pg_service.conf")
    web = dict(services["web"])
    assert (web["host"], web["port"], web["user"], web["dbname"]) == ("127.0.0.1", "6001", "shop_app", "web")
    assert web["sslmode"] == "verify-full"
    assert Path(web["sslrootcert"]).read_text() == "-----BEGIN CERTIFICATE-----\n"


def test_passwords_stand_in_the_password_file_alone_and_are_escaped(tmp_path: Path) -> None:
    connect.write(tmp_path, OUTPUTS)
    assert (tmp_path / "pgpass").read_text().splitlines() == [
        r"127.0.0.1:6001:web:shop_app:p\:a\\ss",
        "127.0.0.1:6000:shop:doadmin:secret",
        r"127.0.0.1:6002:shop:shop_app:p\:a\\ss",
        "127.0.0.1:6002:shop:reader:r",
    ]
    assert "secret" not in (tmp_path / "pg_service.conf").read_text()


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    (tmp_path / "pgpass").touch(mode=0o644)
    connect.write(tmp_path, OUTPUTS)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "pg_service.conf": 0o600,
        "pgpass": 0o600,
        "shop-db.crt": 0o600,
    }


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    connect.write(tmp_path, OUTPUTS)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    with (tmp_path / "pgpass").open() as reading:
        connect.write(tmp_path, {**OUTPUTS, "replica_uris": {}})
        assert reading.read() == before["pgpass"]
    assert (tmp_path / "pgpass").read_text() != before["pgpass"]
    assert {path.name for path in tmp_path.iterdir()} == set(before)


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    connect.write(tmp_path, OUTPUTS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UnicodeEncodeError):
        connect.write(tmp_path, {**OUTPUTS, "ca_certificates": {"shop-db": "\ud800"}})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
