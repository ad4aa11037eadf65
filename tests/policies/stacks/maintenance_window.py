"""Updates at any hour."""

from tests.policies.stacks.shop import shop

shop(cluster={"maintenance_windows": None})
