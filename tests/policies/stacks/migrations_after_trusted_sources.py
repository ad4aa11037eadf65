"""A migration that does not wait until the cluster is closed."""

from tests.policies.stacks.shop import shop

shop(guarded=False)
