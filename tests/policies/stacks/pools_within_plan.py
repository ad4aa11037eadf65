"""Two pools that together take more than the plan allows; each alone would fit."""

from tests.policies.stacks.shop import shop

shop(pools=({"size": 60}, {"name": "shop-reports", "size": 40}))
