"""/v2/droplets, /v2/volumes, /v2/firewalls, /v2/account/keys, /v2/images, /v2/sizes, /v2/actions."""

from localcloud.api.compute import actions, catalogue, droplet_actions, droplets, firewalls, keys, volumes

ENDPOINTS = (
    *droplets.ENDPOINTS,
    *droplet_actions.ENDPOINTS,
    *volumes.ENDPOINTS,
    *actions.ENDPOINTS,
    *firewalls.ENDPOINTS,
    *keys.ENDPOINTS,
    *catalogue.ENDPOINTS,
)
