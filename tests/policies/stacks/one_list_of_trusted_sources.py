"""Two lists of trusted sources, each of which replaces the other."""

from tests.policies.stacks.shop import shop

VPC = {"type": "ip_addr", "value": "10.9.0.0/16"}

shop(trusted=[[VPC], [VPC, {"type": "ip_addr", "value": "203.0.113.7"}]])
