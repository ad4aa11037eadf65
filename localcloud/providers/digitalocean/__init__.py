"""DigitalOcean's resource types, as the official plugin 4.84.1 has them."""

VERSION = "4.84.1"
