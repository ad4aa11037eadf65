"""A cluster that an edit may delete."""

from tests.policies.stacks.shop import shop

shop(cluster_options={"protect": False})
