"""An empty list of trusted sources."""

from tests.policies.stacks.shop import shop

shop(trusted=[[]])
