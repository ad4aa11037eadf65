"""An app in the VPC, admitted by its public address."""

from tests.policies.stacks.shop import shop

shop(trusted=[[{"type": "app", "value": "4f6c71e2-1e90-4762-9fee-6cc4a0a9f2cf"}]])
