"""A password that App Platform shows and logs."""

from tests.policies.stacks.shop import shop

shop(environment=[{"key": "LEGACY_URL", "value": "mysql://shop:hunter2@10.9.0.9/shop", "type": "GENERAL"}])
