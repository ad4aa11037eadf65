"""Backups that are kept for ever."""

from tests.policies.stacks.shop import shop

shop(bucket={"lifecycle_rules": None})
