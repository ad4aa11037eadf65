"""The digitalocean provider: every resource type and function it has."""

from localcloud.providers.digitalocean import VERSION, lookups, project, vpc
from localcloud.providers.digitalocean.api import connect
from localcloud.providers.digitalocean.app import APP
from localcloud.providers.digitalocean.database_cluster import CLUSTER
from localcloud.providers.digitalocean.database_config import POSTGRESQL_CONFIG
from localcloud.providers.digitalocean.database_parts import DATABASE, FIREWALL, POOL, USER
from localcloud.providers.digitalocean.database_replica import REPLICA
from localcloud.providers.digitalocean.database_valkey_config import VALKEY_CONFIG
from localcloud.providers.digitalocean.droplet import DROPLET
from localcloud.providers.digitalocean.firewall import FIREWALL as DROPLET_FIREWALL
from localcloud.providers.digitalocean.monitoring import ALERT, UPTIME_ALERT, UPTIME_CHECK
from localcloud.providers.digitalocean.spaces_bucket import BUCKET
from localcloud.providers.digitalocean.spaces_key import KEY
from localcloud.providers.digitalocean.spaces_policy import POLICY
from localcloud.providers.digitalocean.ssh_key import SSH_KEY
from localcloud.providers.digitalocean.tags import TAG
from localcloud.providers.digitalocean.volume import ATTACHMENT, VOLUME
from localcloud.providers.schema import Function
from localcloud.providers.servicer import Package

PACKAGE = Package(
    name="digitalocean",
    version=VERSION,
    connect=connect,
    resources=(
        vpc.VPC,
        CLUSTER,
        DATABASE,
        USER,
        FIREWALL,
        POOL,
        REPLICA,
        POSTGRESQL_CONFIG,
        VALKEY_CONFIG,
        APP,
        ALERT,
        UPTIME_CHECK,
        UPTIME_ALERT,
        project.PROJECT,
        project.PROJECT_RESOURCES,
        TAG,
        DROPLET,
        VOLUME,
        ATTACHMENT,
        DROPLET_FIREWALL,
        SSH_KEY,
        BUCKET,
        POLICY,
        KEY,
    ),
    functions=(
        Function(
            token="digitalocean:index/getDatabaseCa:getDatabaseCa",  # noqa: S106
            call=lookups.get_ca,
            required=("clusterId",),
        ),
        Function(
            token="digitalocean:index/getDatabaseCluster:getDatabaseCluster",  # noqa: S106
            call=lookups.get_cluster,
            required=("name",),
            secrets=lookups.CLUSTER_SECRETS,
        ),
        Function(
            token="digitalocean:index/getDatabaseConnectionPool:getDatabaseConnectionPool",  # noqa: S106
            call=lookups.get_pool,
            required=("clusterId", "name"),
            secrets=lookups.POOL_SECRETS,
        ),
        Function(token="digitalocean:index/getVpc:getVpc", call=vpc.get_vpc),  # noqa: S106
        Function(token="digitalocean:index/getProject:getProject", call=project.get_project),  # noqa: S106
    ),
)
