"""A bucket that goes with everything in it."""

from tests.policies.stacks.shop import shop

shop(bucket={"force_destroy": True})
