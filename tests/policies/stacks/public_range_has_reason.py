"""A public range that nobody explains."""

from tests.policies.stacks.shop import shop

shop(trusted=[[{"type": "ip_addr", "value": "198.51.100.0/28"}]])
