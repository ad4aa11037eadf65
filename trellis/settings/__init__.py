"""What to build and how big: a system file and a stack's config become one frozen `Settings`.

Reads those two files and nothing else: no call to a cloud, no look at a database. Names are imported when they are
first used: the catalogue and a file's reader need no model of a system.
"""

from typing import TYPE_CHECKING

from trellis.startup import late

if TYPE_CHECKING:
    from trellis.settings.budget import ConnectionBudget
    from trellis.settings.catalogue import PLANS, REGIONS, Phase, Plan
    from trellis.settings.errors import SettingsError
    from trellis.settings.loader import load
    from trellis.settings.resolved import AppSettings, CacheSettings, ClusterSettings, PoolSettings, Settings
    from trellis.settings.shell import refuse_local_shell
    from trellis.settings.source import stack_file
    from trellis.settings.system import Mode

__all__ = [
    "PLANS",
    "REGIONS",
    "AppSettings",
    "CacheSettings",
    "ClusterSettings",
    "ConnectionBudget",
    "Mode",
    "Phase",
    "Plan",
    "PoolSettings",
    "Settings",
    "SettingsError",
    "load",
    "refuse_local_shell",
    "stack_file",
]

_HOMES = {
    ".budget": ("ConnectionBudget",),
    ".catalogue": ("PLANS", "REGIONS", "Phase", "Plan"),
    ".errors": ("SettingsError",),
    ".loader": ("load",),
    ".resolved": ("AppSettings", "CacheSettings", "ClusterSettings", "PoolSettings", "Settings"),
    ".shell": ("refuse_local_shell",),
    ".source": ("stack_file",),
    ".system": ("Mode",),
}

__getattr__ = late(__name__, _HOMES)
