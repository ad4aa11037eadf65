"""The real servers behind the API: PostgreSQL, PgBouncer and Valkey processes of one machine.

    tools = Tools.locate(postgresql, pgbouncer, state)
    authority = CertificateAuthority(state / "ca")
    cluster = Cluster.create(state / "clusters" / id, ClusterSpec(...), tools, authority)
    cluster.create_user("app", password)
    cluster.set_pools([PoolSpec(name="api", database="app", user="app", mode="transaction", size=17)])

TCP, with TLS, is for clients only, and trusted sources are enforced strictly there. The platform itself (management,
PgBouncer, replication) uses a UNIX socket in a folder only the servers' account can enter.
"""

from localcloud.servers.backups import WINDOW, Backup
from localcloud.servers.certificates import Certificate, CertificateAuthority
from localcloud.servers.cluster import Cluster
from localcloud.servers.errors import (
    AlreadyExists,
    FolderUnusable,
    InvalidRequest,
    NotFound,
    NotRunning,
    PortTaken,
    ServerError,
    StartFailed,
    ToolMissing,
    UpgradeFailed,
)
from localcloud.servers.logins import RIGHTS
from localcloud.servers.ports import choose as choose_ports
from localcloud.servers.postgresql import POSTGRESQL_LOG
from localcloud.servers.processes import within as processes_within
from localcloud.servers.replica import Replica
from localcloud.servers.specs import ClusterSpec, PoolMode, PoolSpec
from localcloud.servers.tools import Part, Tools
from localcloud.servers.valkey import Valkey
from localcloud.servers.valkey_files import ValkeySettings, ValkeySpec

__all__ = [
    "POSTGRESQL_LOG",
    "RIGHTS",
    "WINDOW",
    "AlreadyExists",
    "Backup",
    "Certificate",
    "CertificateAuthority",
    "Cluster",
    "ClusterSpec",
    "FolderUnusable",
    "InvalidRequest",
    "NotFound",
    "NotRunning",
    "Part",
    "PoolMode",
    "PoolSpec",
    "PortTaken",
    "Replica",
    "ServerError",
    "StartFailed",
    "ToolMissing",
    "Tools",
    "UpgradeFailed",
    "Valkey",
    "ValkeySettings",
    "ValkeySpec",
    "choose_ports",
    "processes_within",
]
