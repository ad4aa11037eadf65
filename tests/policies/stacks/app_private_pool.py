"""An app on the public host."""

from tests.policies.stacks.shop import LOGIN, shop

shop(uri=f"{LOGIN}@shop-do-user-1-0.db.ondigitalocean.com:25061/shop-pool?sslmode=verify-full")
