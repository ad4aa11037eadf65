"""A cluster that admits the whole internet."""

from tests.policies.stacks.shop import shop

shop(trusted=[[{"type": "ip_addr", "value": "0.0.0.0/0"}]])
