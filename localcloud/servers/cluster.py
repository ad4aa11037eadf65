"""One managed cluster: a PostgreSQL primary, a PgBouncer in front of it, and the replicas that follow it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.servers.certificates import CertificateAuthority
from localcloud.servers.replica import Replica
from localcloud.servers.specs import ClusterSpec, PoolSpec
from localcloud.servers.tools import Tools


class Cluster:
    """The servers of one cluster. Safe to call from several threads: one lock per cluster, replicas included.

    Every method may raise ServerError; the subclasses (`localcloud.servers.errors`) say which kind.
    """

    folder: Path

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Whether a completely created cluster lives in `folder`."""
        raise NotImplementedError

    @classmethod
    def create(cls, folder: Path, spec: ClusterSpec, tools: Tools, authority: CertificateAuthority) -> "Cluster":
        """Create and start the servers. What an interrupted creation left in `folder` is stopped and removed first.

        Raises AlreadyExists when a complete cluster is there, ToolMissing for a version that is not installed.
        """
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path, tools: Tools, authority: CertificateAuthority) -> "Cluster":
        """The cluster in `folder`, without starting it. Raises NotFound when there is no complete cluster."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        raise NotImplementedError

    @property
    def version(self) -> str:
        raise NotImplementedError

    @property
    def max_connections(self) -> int:
        raise NotImplementedError

    @property
    def port(self) -> int:
        """Direct port, the same on the public and the private host; kept for the cluster's whole life."""
        raise NotImplementedError

    @property
    def pool_port(self) -> int:
        raise NotImplementedError

    @property
    def pools(self) -> tuple[PoolSpec, ...]:
        raise NotImplementedError

    @property
    def trusted_sources(self) -> tuple[str, ...]:
        raise NotImplementedError

    @property
    def replicas(self) -> Mapping[str, Replica]:
        """The replicas by name, loaded with the cluster."""
        raise NotImplementedError

    @property
    def logs(self) -> Mapping[str, Path]:
        """Log files by server: "postgresql", "pgbouncer", and "replica <name>" for each replica."""
        raise NotImplementedError

    def running(self) -> bool:
        """Whether both the primary and the pooler are alive. Takes no lock."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the primary, the replicas and the pooler; adopts what already runs on this folder. Idempotent.

        Raises PortTaken or StartFailed; whatever had been started by this call is stopped again.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Stop pooler, primary and replicas (fast shutdown: open transactions are rolled back). Idempotent."""
        raise NotImplementedError

    def destroy(self) -> None:
        """Stop everything, replicas included, and remove every file of the cluster. Idempotent."""
        raise NotImplementedError

    def resize(self, max_connections: int) -> None:
        """Restart with a new connection limit, data kept. Clients of transaction pools wait instead of failing."""
        raise NotImplementedError

    def create_database(self, name: str) -> None:
        """Create a database owned by the admin user. Raises AlreadyExists, InvalidRequest."""
        raise NotImplementedError

    def drop_database(self, name: str) -> None:
        """Drop a database; its sessions are ended. Raises NotFound, InvalidRequest for a reserved name."""
        raise NotImplementedError

    def databases(self) -> tuple[str, ...]:
        """Names of the databases clients may use, also those made by SQL."""
        raise NotImplementedError

    def create_user(self, name: str, password: str) -> None:
        """Create a login without grants; the admin user may grant it. Raises AlreadyExists, InvalidRequest."""
        raise NotImplementedError

    def set_password(self, name: str, password: str) -> None:
        """Change the password on the server and the pooler. Open sessions stay. Raises NotFound."""
        raise NotImplementedError

    def drop_user(self, name: str) -> None:
        """Drop a login; its sessions are ended, its grants revoked, what it owns goes to the admin user.

        Raises NotFound, InvalidRequest for a reserved name or the admin user.
        """
        raise NotImplementedError

    def users(self) -> tuple[str, ...]:
        """Names of the logins, the admin user included, also those made by SQL."""
        raise NotImplementedError

    def set_pools(self, pools: Sequence[PoolSpec]) -> None:
        """Make these the pooler's pools. Clients of removed pools are dropped, all others keep their connection."""
        raise NotImplementedError

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        """Admit only these addresses and CIDR ranges, on the server and the pooler; empty admits everyone.

        Sessions from addresses no longer admitted are ended. PgBouncer cannot end a single client, so a pool
        with such a client loses all its clients and they reconnect. Replicas have their own list.
        Raises InvalidRequest for a text that is neither an address nor a range.
        """
        raise NotImplementedError

    def create_replica(self, name: str, folder: Path, max_connections: int) -> Replica:
        """Copy the primary into `folder` and start a hot standby that streams from it.

        It has its own port on the same hosts, the same users and passwords, and at first the primary's trusted
        sources. Raises AlreadyExists.
        """
        raise NotImplementedError
