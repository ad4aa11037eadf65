"""The HTTP side of the local cloud: DigitalOcean's v2 API at the root, Cloudflare's v4 API under /client/v4."""
