"""An app that talks to whoever answers."""

from tests.policies.stacks.shop import LOGIN, shop

shop(uri=f"{LOGIN}@private-shop-do-user-1-0.db.ondigitalocean.com:25061/shop-pool?sslmode=require")
