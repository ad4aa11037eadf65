"""An app that does not wait for its schema."""

from tests.policies.stacks.shop import shop

shop(migrated=False)
