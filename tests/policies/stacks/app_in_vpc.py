"""An app that comes over the internet."""

from tests.policies.stacks.shop import shop

shop(spec={"vpcs": None})
