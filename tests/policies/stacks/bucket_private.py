"""Backups that the internet can read."""

from tests.policies.stacks.shop import shop

shop(bucket={"acl": "public-read"})
