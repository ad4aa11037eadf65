"""Nothing but the SDK itself."""

import pulumi

pulumi.export("empty", True)
