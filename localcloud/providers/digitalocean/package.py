"""The digitalocean provider: every resource type and function it has."""

from localcloud.providers.digitalocean import VERSION, database_parts
from localcloud.providers.digitalocean.api import connect
from localcloud.providers.digitalocean.app import APP
from localcloud.providers.digitalocean.database_cluster import CLUSTER
from localcloud.providers.digitalocean.database_replica import REPLICA
from localcloud.providers.digitalocean.database_valkey_config import VALKEY_CONFIG
from localcloud.providers.digitalocean.droplet import DROPLET
from localcloud.providers.digitalocean.firewall import FIREWALL as DROPLET_FIREWALL
from localcloud.providers.digitalocean.monitoring import ALERT
from localcloud.providers.digitalocean.spaces_bucket import BUCKET
from localcloud.providers.digitalocean.spaces_key import KEY
from localcloud.providers.digitalocean.volume import VOLUME
from localcloud.providers.digitalocean.vpc import VPC
from localcloud.providers.schema import Function
from localcloud.providers.servicer import Package

PACKAGE = Package(
    name="digitalocean",
    version=VERSION,
    connect=connect,
    resources=(
        VPC,
        CLUSTER,
        database_parts.DATABASE,
        database_parts.USER,
        database_parts.FIREWALL,
        database_parts.POOL,
        REPLICA,
        VALKEY_CONFIG,
        APP,
        ALERT,
        DROPLET,
        VOLUME,
        DROPLET_FIREWALL,
        BUCKET,
        KEY,
    ),
    functions=(
        Function(
            token="digitalocean:index/getDatabaseCa:getDatabaseCa",  # noqa: S106
            call=database_parts.get_ca,
            required=("clusterId",),
        ),
        Function(
            token="digitalocean:index/getDatabaseConnectionPool:getDatabaseConnectionPool",  # noqa: S106
            call=database_parts.get_pool,
            required=("clusterId", "name"),
            secrets=database_parts.POOL_SECRETS,
        ),
    ),
)
