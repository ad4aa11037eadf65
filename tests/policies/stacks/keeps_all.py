"""Breaks nothing."""

from tests.policies.stacks.shop import shop

shop()
