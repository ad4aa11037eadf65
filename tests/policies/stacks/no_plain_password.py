"""A password in the code."""

from tests.policies.stacks.shop import shop

shop(password="hunter2")
