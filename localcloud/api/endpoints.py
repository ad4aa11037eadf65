"""Every call the local cloud answers."""

from localcloud.api import (
    account,
    apps,
    compute,
    databases,
    local,
    monitoring,
    projects,
    spaces_keys,
    spaces_local,
    tags,
    uptime,
    vpcs,
)
from localcloud.api.cloudflare import records, zones

ENDPOINTS = (
    *local.ENDPOINTS,
    *account.ENDPOINTS,
    *vpcs.ENDPOINTS,
    *databases.ENDPOINTS,
    *compute.ENDPOINTS,
    *apps.ENDPOINTS,
    *monitoring.ENDPOINTS,
    *uptime.ENDPOINTS,
    *projects.ENDPOINTS,
    *spaces_keys.ENDPOINTS,
    *spaces_local.ENDPOINTS,
    *tags.ENDPOINTS,
    *zones.ENDPOINTS,
    *records.ENDPOINTS,
)
