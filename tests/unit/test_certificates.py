"""The certificates of a self-hosted server while the clock goes on: no client is refused, and each ends in time.

OpenSSL verifies, at the time that it is told.
"""

import random
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from trellis.providers.authority import AuthorityProvider
from trellis.server import certificates
from trellis.server.certificates import Authorities, renewal

BEGIN = datetime(2026, 11, 26, tzinfo=UTC)
ADDRESSES = ("10.4.0.2", "203.0.113.9")
KEY = ec.generate_private_key(ec.SECP256R1())
YEAR = timedelta(days=365)


def _verified(folder: Path, bundle: str, certificate: str, at: datetime, address: str = ADDRESSES[0]) -> str:
    """What OpenSSL says of a certificate at that time; "" where it takes it."""
    (folder / "ca.crt").write_text(bundle)
    (folder / "server.crt").write_text(certificate)
    how = ("-x509_strict", "-purpose", "sslserver", "-verify_ip", address, "-attime", str(int(at.timestamp())))
    command = ("openssl", "verify", *how, "-CAfile", "ca.crt", "server.crt")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


@pytest.mark.parametrize("seed", range(4))
def test_over_thirty_years_every_client_is_served(tmp_path: Path, seed: int) -> None:
    """With an `up` now and then, at most two years apart, and clients that take the bundle within a year."""
    chance = random.Random(seed)  # noqa: S311
    now = BEGIN
    held = Authorities.first("shop-db-authority", now)
    # What a server makes for itself at its first boot is the same.
    leaf = held.signing(now).server_certificate(KEY.public_key(), ADDRESSES, now)
    bundles = [held.certificates]
    authorities = {*x509.load_pem_x509_certificates(held.certificates.encode())}
    while now < BEGIN + 30 * YEAR:
        later = now + chance.choice((YEAR / 12, YEAR, 2 * YEAR - timedelta(days=3)))
        latest = min(later, now + YEAR)
        assert _verified(tmp_path, bundles[-1], leaf, now) == ""
        # A client with the bundle of the run before has a year to take this one.
        assert _verified(tmp_path, bundles[max(0, len(bundles) - 2)], leaf, latest - timedelta(days=1)) == ""
        assert _verified(tmp_path, bundles[-1], leaf, later) == ""
        now = later
        if held.due(now):
            held = held.renewed("shop-db-authority", now)
            assert not held.due(now)
        if now >= renewal(_parsed(leaf)):
            leaf = held.signing(now).server_certificate(KEY.public_key(), ADDRESSES, now)
        bundles.append(held.certificates)
        known = x509.load_pem_x509_certificates(held.certificates.encode())
        authorities |= {*known}
        assert len(known) <= 2
        assert all(one.not_valid_after_utc > now for one in known)
    assert len(authorities) >= 4


def test_nothing_outlives_what_signed_it() -> None:
    held = Authorities.first("shop-db-authority", BEGIN)
    (authority,) = x509.load_pem_x509_certificates(held.certificates.encode())
    for years in (0, 8, 9):
        leaf = _parsed(held.server_certificate(KEY.public_key(), ADDRESSES, BEGIN + years * YEAR))
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= certificates.LIFE + timedelta(days=1)
        assert leaf.not_valid_after_utc < authority.not_valid_after_utc
        assert renewal(leaf) < leaf.not_valid_after_utc


def test_an_authority_vouches_for_addresses_and_for_no_name(tmp_path: Path) -> None:
    held = Authorities.first("shop-db-authority", BEGIN)
    good = held.server_certificate(KEY.public_key(), ADDRESSES, BEGIN)
    assert _verified(tmp_path, held.certificates, good, BEGIN) == ""
    for names in ([x509.DNSName("bank.example")], [x509.IPAddress(ip_address("2001:db8::1"))]):
        bad = _signed(held, [x509.IPAddress(ip_address(ADDRESSES[0])), *names])
        assert "permitted subtree violation" in _verified(tmp_path, held.certificates, bad, BEGIN)
    other = Authorities.first("shop-db-authority", BEGIN)
    assert _verified(tmp_path, other.certificates, good, BEGIN) != ""


def _signed(held: Authorities, names: Sequence[x509.GeneralName]) -> str:
    """As by a thief of the key, who keeps to no address."""
    alternative = x509.SubjectAlternativeName(names)
    return held._signed("x", KEY.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, BEGIN, certificates.LIFE, alternative)


def test_a_state_s_authority_is_renewed_by_time_alone() -> None:
    provider = AuthorityProvider()
    old = Authorities.first("shop-db-authority", datetime.now(UTC) - 6 * YEAR)
    props = {"name": "shop-db-authority", "provider_version": "1"}
    made = provider.create(props).outs or {}
    assert provider.diff("", made, {**props, "provider_version": "2"}).changes is False
    olds = {**props, "certificate": old.certificates, "key": old.keys}
    assert provider.diff("", olds, props).changes is True
    outs = provider.update("", olds, props).outs or {}
    assert outs["certificate"].startswith(old.certificates)
    assert outs["key"].startswith(old.keys)
    assert outs["certificate"].count("BEGIN CERTIFICATE") == outs["key"].count("BEGIN PRIVATE KEY") == 2
    assert provider.diff("", outs, props).changes is False
    # Clients do not know the new one yet.
    assert Authorities(outs["certificate"], outs["key"]).signing(datetime.now(UTC)) == old
