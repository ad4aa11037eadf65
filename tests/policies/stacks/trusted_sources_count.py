"""More trusted sources than DigitalOcean takes."""

from tests.policies.stacks.shop import shop

shop(trusted=[[{"type": "ip_addr", "value": f"10.9.1.{number}"} for number in range(101)]])
