"""The certificates of a self-hosted server: its authority, what that signs, and when each is made anew.

An authority lives ten years, and after five of them a second one stands beside it: clients trust both. A year later,
when clients know it, the new one signs; the old one stays until it ends. What an authority signs lives three years and
never longer than the authority, and is made anew after one. An `up` does all of it: one in two years is enough. Times
are UTC.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
SECOND_AUTHORITY_AFTER = AUTHORITY_LIFE / 2
KNOWN_TO_CLIENTS_AFTER = timedelta(days=365)
LAST_DAYS = timedelta(days=90)
LIFE = timedelta(days=1095)
SUBJECT = "postgresql"

# Clocks differ.
_DAY = timedelta(days=1)
_KEY = re.compile(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", re.DOTALL)
_KEY_USAGE = partial(
    x509.KeyUsage,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Authorities:
    """certificates, keys: PEM, one after the other, the oldest first."""

    certificates: str
    keys: str

    @classmethod
    def first(cls, name: str, now: datetime) -> "Authorities":
        """One that is new."""
        return cls("", "")._with_new(name, now)

    def due(self, now: datetime) -> bool:
        """Whether `renewed` gives others."""
        *_, newest = known = self._known()
        return any(one.not_valid_after_utc <= now for one in known[:-1]) or _age(newest, now) >= SECOND_AUTHORITY_AFTER

    def renewed(self, name: str, now: datetime) -> "Authorities":
        """Those that are to be trusted from now on."""
        valid = [pair for pair in self._pairs() if pair[0].not_valid_after_utc > now]
        kept = Authorities("".join(_pem(one) for one, _ in valid), "".join(key for _, key in valid))
        return kept if valid and not kept.due(now) else kept._with_new(name, now)

    def signing(self, now: datetime) -> "Authorities":
        """The one that signs: the newest that clients know. Those who do not know it lose the old one soon anyway."""
        oldest, *later = self._pairs()
        ends = oldest[0].not_valid_after_utc - LAST_DAYS <= now
        known = [pair for pair in later if ends or _age(pair[0], now) >= KNOWN_TO_CLIENTS_AFTER]
        certificate, key = (known or [oldest])[-1]
        return Authorities(_pem(certificate), key)

    def for_a_new_server(self, now: datetime) -> "Authorities":
        """The one that signs with its key, and behind it what else clients may show a certificate of."""
        signing = self.signing(now)
        return Authorities(signing.certificates + self.certificates.replace(signing.certificates, ""), signing.keys)

    def oldest(self) -> "Authorities":
        """The one that every server knows."""
        (certificate, key), *_ = self._pairs()
        return Authorities(_pem(certificate), key)

    def server_certificate(self, key: CertificatePublicKeyTypes, addresses: Sequence[str], now: datetime) -> str:
        """PEM, for a server's key and its addresses."""
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address)) for address in addresses])
        return self._signed(SUBJECT, key, ExtendedKeyUsageOID.SERVER_AUTH, now, LIFE, names)

    def client_certificate(self, user: str, now: datetime) -> tuple[str, str]:
        """PEM of a certificate and of its key, by which a server knows that who logs in holds the stack's state."""
        key = ec.generate_private_key(ec.SECP256R1())
        return (
            self._signed(user, key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH, now, _DAY, None),
            _key_pem(key),
        )

    def _signed(
        self,
        subject: str,
        key: CertificatePublicKeyTypes,
        purpose: x509.ObjectIdentifier,
        now: datetime,
        life: timedelta,
        names: x509.SubjectAlternativeName | None,
    ) -> str:
        (authority,) = self._known()
        own = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(self.keys.encode(), None))
        until = min(now + life, authority.not_valid_after_utc - _DAY)
        builder = (
            _begun(_name(subject), authority.subject, key, now, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_KEY_USAGE(digital_signature=True, key_cert_sign=False, crl_sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key()), critical=False)
        )
        return _pem((builder.add_extension(names, critical=False) if names else builder).sign(own, hashes.SHA256()))

    def _pairs(self) -> list[tuple[x509.Certificate, str]]:
        return list(zip(self._known(), _KEY.findall(self.keys), strict=True))

    def _known(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.certificates.encode()) if self.certificates else []

    def _with_new(self, name: str, now: datetime) -> "Authorities":
        key, subject = ec.generate_private_key(ec.SECP256R1()), _name(f"{name[:50]} {now:%Y-%m}")
        certificate = (
            _begun(subject, subject, key.public_key(), now, now + AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            # Strict verifiers take no authority without it.
            .add_extension(_KEY_USAGE(digital_signature=False, key_cert_sign=True, crl_sign=True), critical=True)
            # It vouches for addresses, which are not known yet, and for no name: nobody has one in this domain.
            .add_extension(
                x509.NameConstraints(
                    [x509.IPAddress(IPv4Network("0.0.0.0/0")), x509.DNSName("invalid")], excluded_subtrees=None
                ),
                critical=True,
            )
            .sign(key, hashes.SHA256())
        )
        return Authorities(self.certificates + _pem(certificate), self.keys + _key_pem(key))


def renewal(certificate: x509.Certificate) -> datetime:
    """When a server's certificate is to be made anew."""
    begins = certificate.not_valid_before_utc
    return begins + (certificate.not_valid_after_utc - begins) / 3


def _begun(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _age(certificate: x509.Certificate, now: datetime) -> timedelta:
    return now - certificate.not_valid_before_utc


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
