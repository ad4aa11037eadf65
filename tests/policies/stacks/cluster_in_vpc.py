"""A cluster in the default network of its region."""

from tests.policies.stacks.shop import shop

shop(cluster={"private_network_uuid": None})
