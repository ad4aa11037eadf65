"""A plan far beyond the budget."""

from tests.policies.stacks.shop import shop

shop(cluster={"size": "db-s-6vcpu-16gb", "node_count": 3})
