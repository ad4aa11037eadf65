"""A cluster without a tag."""

from tests.policies.stacks.shop import shop

shop(cluster={"tags": None})
