"""Every call the local cloud answers."""

from localcloud.api import account, databases, local, vpcs

ENDPOINTS = (
    *local.ENDPOINTS,
    *account.ENDPOINTS,
    *vpcs.ENDPOINTS,
    *databases.ENDPOINTS,
)
