"""/v2/droplets, /v2/volumes, /v2/firewalls, /v2/account/keys, /v2/images, /v2/sizes, /v2/actions."""
