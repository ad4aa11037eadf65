"""The certificate authority of an account: DigitalOcean signs all of a project's clusters with one."""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud import files
from localcloud.servers.account import Account
from localcloud.servers.errors import ServerError

LIFETIME = datetime.timedelta(days=3650)
# A clock that runs a little behind, in a virtual machine for example, must not find the certificate in the future.
BACKDATE = datetime.timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A server certificate and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


class CertificateAuthority:
    """Signs the servers' certificates. Clients trust its certificate, `pem`."""

    def __init__(self, folder: Path) -> None:
        """Load the authority kept in `folder` (authority.pem: key and certificate, mode 0600), or create it there.

        Raises ServerError when the file is damaged: a new authority would lock out every client of the old one.
        """
        file = folder / "authority.pem"
        if not file.exists():
            owner = Account.resolve(None)
            owner.private_folder(folder)
            owner.write(file, _new_authority(), copy=True)
        try:
            self._key, self._certificate = files.read(file, _authority)
        except ValueError as error:
            raise ServerError(
                f"{file} does not hold a key and a certificate ({error}). Put the file back from a copy, or reset the"
                " local cloud; clients that trust the old authority will not trust a new one."
            ) from error

    @property
    def pem(self) -> str:
        """The authority's certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str, hosts: Sequence[str]) -> Certificate:
        """A server certificate for `hosts` (addresses or names), with `name` as common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(host) for host in dict.fromkeys(hosts)]
        certificate = (
            _builder(name, self._certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Certificate(
            certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(), key=_key_text(key)
        )


def _authority(text: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
        certificate = x509.load_pem_x509_certificate(text.encode())
    except ValueError as problem:
        raise files.Cut(str(problem)) from problem
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("its key is of another kind than this authority makes")
    return key, certificate


def _new_authority() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    # DigitalOcean's authorities are named after the project's identifier.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{os.urandom(16).hex()} Project CA")])
    certificate = (
        _builder(None, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_signing_only(), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _key_text(key) + certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(name: str | None, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    # A common name may hold 64 characters.
    subject = issuer if name is None else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
    )


def _signing_only() -> x509.KeyUsage:
    other = "digital_signature content_commitment key_encipherment data_encipherment key_agreement encipher_only"
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, decipher_only=False, **dict.fromkeys(other.split(), False))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
