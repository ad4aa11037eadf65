"""Cloudflare's DNS records and zones, as the official plugin 6.23.1 has them."""

VERSION = "6.23.1"
