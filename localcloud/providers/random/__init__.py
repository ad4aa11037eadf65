"""Random passwords, identifiers and strings, as the official plugin 4.21.4 has them."""

VERSION = "4.21.4"
