"""The certificate authority of an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A server certificate and its private key, both PEM."""

    certificate: str
    key: str


class CertificateAuthority:
    """Signs the servers' certificates. Clients trust its certificate, `pem`."""

    def __init__(self, folder: Path) -> None:
        """Load the authority kept in `folder`, or create it there."""
        raise NotImplementedError

    @property
    def pem(self) -> str:
        raise NotImplementedError

    def issue(self, name: str, hosts: Sequence[str]) -> Certificate:
        raise NotImplementedError
