"""Every call the local cloud answers."""

from localcloud.api import account, apps, local, monitoring, projects, spaces_keys, tags, uptime, vpcs
from localcloud.api.call import Routes
from localcloud.api.cloudflare import records, zones
from localcloud.api.compute import actions, catalogue, droplet_actions, droplets, firewalls, keys, volumes
from localcloud.api.databases import (
    backups,
    changes,
    clusters,
    databases,
    firewall,
    logsinks,
    options,
    pools,
    replicas,
    settings,
    users,
)

_ACCOUNT = (account, projects, tags, vpcs, apps, monitoring, uptime, spaces_keys, local)
_COMPUTE = (droplets, droplet_actions, volumes, actions, firewalls, keys, catalogue)
_DATABASES = (options, clusters, changes, settings, backups, databases, users, pools, firewall, logsinks, replicas)

ENDPOINTS: Routes = {
    path: handlers
    for part in (*_ACCOUNT, *_COMPUTE, *_DATABASES, zones, records)
    for path, handlers in part.ENDPOINTS.items()
}
