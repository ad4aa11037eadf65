"""A network in a region that is not allowed."""

from tests.policies.stacks.shop import shop

shop(vpc={"region": "fra2"})
