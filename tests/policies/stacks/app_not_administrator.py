"""An app that logs in as doadmin, because it names nobody else."""

from tests.policies.stacks.shop import shop

shop(spec={"database": {"db_user": None}})
