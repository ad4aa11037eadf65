"""Nobody hears of load."""

from tests.policies.stacks.shop import ALERTS, shop

shop(alerts=ALERTS[:3])
