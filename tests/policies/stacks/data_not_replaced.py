"""A cluster whose replacement deletes it first."""

from tests.policies.stacks.shop import shop

shop(cluster_options={"delete_before_replace": True})
