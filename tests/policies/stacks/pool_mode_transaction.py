"""A pool whose clients keep their connections."""

from tests.policies.stacks.shop import shop

shop(pools=({"mode": "session"},))
