"""Every call the local cloud answers."""

from localcloud.api import account, apps, databases, local, monitoring, projects, tags, uptime, vpcs
from localcloud.api.cloudflare import records, zones

ENDPOINTS = (
    *local.ENDPOINTS,
    *account.ENDPOINTS,
    *vpcs.ENDPOINTS,
    *databases.ENDPOINTS,
    *apps.ENDPOINTS,
    *monitoring.ENDPOINTS,
    *uptime.ENDPOINTS,
    *projects.ENDPOINTS,
    *tags.ENDPOINTS,
    *zones.ENDPOINTS,
    *records.ENDPOINTS,
)
