"""A version of PostgreSQL without fixes."""

from tests.policies.stacks.shop import shop

shop(cluster={"version": "12"})
