"""The parts of a system, one component a file. The only package that imports a cloud provider's SDK.

`from components import Cluster, ClusterArgs` imports what these two need and no more: Cloudflare's SDK takes seconds,
and only a program with DNS names pays for it. docs/components.md has a program of them.
"""

from typing import TYPE_CHECKING

from trellis.startup import late

if TYPE_CHECKING:
    from trellis.settings.cluster import Backup, Dump, Maintenance, ServerSettings
    from trellis.settings.resolved import DatabaseSettings, PoolSettings
    from trellis.settings.system import Alerts

    from .alerts import CLUSTER_ALERTS, DROPLET_ALERTS, ClusterAlerts, ClusterAlertsArgs
    from .app import App, AppArgs, AppCache, AppDatabase
    from .cache import Cache, CacheArgs
    from .cluster import Cluster, ClusterArgs
    from .connection_files import ConnectionFiles, ConnectionFilesArgs
    from .database import DatabasePlatform, DatabasePlatformArgs
    from .dns import Dns, DnsArgs, RecordArgs
    from .droplet import Droplet, DropletArgs
    from .endpoint import Endpoint, Login, Server, postgresql_uri
    from .migrations import MIGRATIONS, TEST_DATA, History, Migrations, MigrationsArgs
    from .monitoring.machine import Monitoring, MonitoringArgs
    from .network import Network, NetworkArgs
    from .phase import Phase, PhaseArgs
    from .pool import Pool, PoolArgs
    from .replica import Replica, ReplicaArgs
    from .reviewer import Reviewer, reviewers
    from .self_hosted.dumps import DumpStore, DumpStoreArgs
    from .self_hosted.platform import SelfHostedPlatform, SelfHostedPlatformArgs
    from .self_hosted.server import SelfHostedServer, ServerArgs
    from .system import System, SystemArgs
    from .trusted_sources import TrustedSources, TrustedSourcesArgs

__all__ = [
    "CLUSTER_ALERTS",
    "DROPLET_ALERTS",
    "MIGRATIONS",
    "TEST_DATA",
    "Alerts",
    "App",
    "AppArgs",
    "AppCache",
    "AppDatabase",
    "Backup",
    "Cache",
    "CacheArgs",
    "Cluster",
    "ClusterAlerts",
    "ClusterAlertsArgs",
    "ClusterArgs",
    "ConnectionFiles",
    "ConnectionFilesArgs",
    "DatabasePlatform",
    "DatabasePlatformArgs",
    "DatabaseSettings",
    "Dns",
    "DnsArgs",
    "Droplet",
    "DropletArgs",
    "Dump",
    "DumpStore",
    "DumpStoreArgs",
    "Endpoint",
    "History",
    "Login",
    "Maintenance",
    "Migrations",
    "MigrationsArgs",
    "Monitoring",
    "MonitoringArgs",
    "Network",
    "NetworkArgs",
    "Phase",
    "PhaseArgs",
    "Pool",
    "PoolArgs",
    "PoolSettings",
    "RecordArgs",
    "Replica",
    "ReplicaArgs",
    "Reviewer",
    "SelfHostedPlatform",
    "SelfHostedPlatformArgs",
    "SelfHostedServer",
    "Server",
    "ServerArgs",
    "ServerSettings",
    "System",
    "SystemArgs",
    "TrustedSources",
    "TrustedSourcesArgs",
    "postgresql_uri",
    "reviewers",
]

# Module -> what it holds of the above, as the imports for a type checker have it.
_HOMES = {
    "trellis.settings.cluster": ("Backup", "Dump", "Maintenance", "ServerSettings"),
    "trellis.settings.resolved": ("DatabaseSettings", "PoolSettings"),
    "trellis.settings.system": ("Alerts",),
    ".alerts": ("CLUSTER_ALERTS", "DROPLET_ALERTS", "ClusterAlerts", "ClusterAlertsArgs"),
    ".app": ("App", "AppArgs", "AppCache", "AppDatabase"),
    ".cache": ("Cache", "CacheArgs"),
    ".cluster": ("Cluster", "ClusterArgs"),
    ".connection_files": ("ConnectionFiles", "ConnectionFilesArgs"),
    ".database": ("DatabasePlatform", "DatabasePlatformArgs"),
    ".dns": ("Dns", "DnsArgs", "RecordArgs"),
    ".droplet": ("Droplet", "DropletArgs"),
    ".endpoint": ("Endpoint", "Login", "Server", "postgresql_uri"),
    ".migrations": ("MIGRATIONS", "TEST_DATA", "History", "Migrations", "MigrationsArgs"),
    ".monitoring.machine": ("Monitoring", "MonitoringArgs"),
    ".network": ("Network", "NetworkArgs"),
    ".phase": ("Phase", "PhaseArgs"),
    ".pool": ("Pool", "PoolArgs"),
    ".replica": ("Replica", "ReplicaArgs"),
    ".reviewer": ("Reviewer", "reviewers"),
    ".self_hosted.dumps": ("DumpStore", "DumpStoreArgs"),
    ".self_hosted.platform": ("SelfHostedPlatform", "SelfHostedPlatformArgs"),
    ".self_hosted.server": ("SelfHostedServer", "ServerArgs"),
    ".system": ("System", "SystemArgs"),
    ".trusted_sources": ("TrustedSources", "TrustedSourcesArgs"),
}

__getattr__ = late(__name__, _HOMES)
