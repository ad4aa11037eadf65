"""A name with capitals."""

from tests.policies.stacks.shop import shop

shop(cluster={"name": "Shop-DB"})
