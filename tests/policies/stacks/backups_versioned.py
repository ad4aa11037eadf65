"""Backups that can be overwritten."""

from tests.policies.stacks.shop import shop

shop(bucket={"versioning": None})
