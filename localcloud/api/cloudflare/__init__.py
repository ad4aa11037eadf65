"""/client/v4: the part of Cloudflare's API that DNS records need."""
