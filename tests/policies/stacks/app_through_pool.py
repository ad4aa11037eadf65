"""An app made from a cluster and none of its pools."""

from tests.policies.stacks.shop import shop

shop(uri="${db.CA_CERT}", pooled=False)
