"""What every PostgreSQL node of one cluster has in common."""

from dataclasses import dataclass
from pathlib import Path

from localcloud.servers.account import Account
from localcloud.servers.certificates import CertificateAuthority
from localcloud.servers.postgresql import PostgresServer
from localcloud.servers.state import ClusterState, Secrets
from localcloud.servers.tools import Tools


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Makes the cluster's servers: its primary and its replicas."""

    state: ClusterState
    secrets: Secrets
    tools: Tools
    authority: CertificateAuthority

    @property
    def hosts(self) -> tuple[str, str]:
        return self.state.public_host, self.state.private_host

    @property
    def account(self) -> Account:
        return self.tools.owner()

    def primary(self, folder: Path, port: int) -> PostgresServer:
        return self._server(folder, f"PostgreSQL of cluster {self.state.id}", self.state.id, port)

    def replica(self, folder: Path, name: str, port: int) -> PostgresServer:
        return self._server(folder, f"Replica {name!r} of cluster {self.state.id}", f"{self.state.id}/{name}", port)

    def certify(self, server: PostgresServer) -> None:
        """Give the node's folder a certificate for the cluster's hosts."""
        issued = self.authority.issue(server.name, (*self.hosts, "localhost"))
        self.account.write(server.folder / "server.crt", issued.certificate)
        self.account.write(server.folder / "server.key", issued.key)

    def _server(self, folder: Path, label: str, name: str, port: int) -> PostgresServer:
        return PostgresServer(
            folder=folder,
            label=label,
            name=name,
            hosts=self.hosts,
            port=port,
            installation=self.tools.installation(self.state.version),
            account=self.account,
            superuser_password=self.secrets.superuser,
        )
