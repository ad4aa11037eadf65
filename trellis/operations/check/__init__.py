"""The subcommand `check`: migrations reviewed before they run, and run on a throw-away copy of their database.

`review_pending` and `review_chain` give the same to other commands.
"""

from trellis.operations.check.command import run
from trellis.operations.check.gate import review_chain, review_pending
from trellis.operations.check.shadow.server import Servers

__all__ = ["Servers", "review_chain", "review_pending", "run"]
