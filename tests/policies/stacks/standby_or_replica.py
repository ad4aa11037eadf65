"""One node and no replica, at scale."""

from tests.policies.stacks.shop import shop

shop(replicas=0)
