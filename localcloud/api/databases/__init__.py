"""/v2/databases: managed database clusters and everything that belongs to one."""

from localcloud.api.databases import (
    backups,
    changes,
    clusters,
    databases,
    firewall,
    options,
    pools,
    replicas,
    settings,
    users,
)

ENDPOINTS = (
    *options.ENDPOINTS,
    *clusters.ENDPOINTS,
    *changes.ENDPOINTS,
    *settings.ENDPOINTS,
    *backups.ENDPOINTS,
    *databases.ENDPOINTS,
    *users.ENDPOINTS,
    *pools.ENDPOINTS,
    *firewall.ENDPOINTS,
    *replicas.ENDPOINTS,
)
