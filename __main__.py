"""Trellis: builds the system that the stack's config names, at the phase it names."""

import os
import sys
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

from components.system import System, SystemArgs
from trellis import settings
from trellis.migrator import MigrationError

ROOT = Path(__file__).resolve().parent

# The engine interrupts the program when a deployment fails. Its own error says why; a traceback from here would not.
sys.excepthook = lambda kind, *rest: None if kind is KeyboardInterrupt else sys.__excepthook__(kind, *rest)

try:
    settings.refuse_local_shell(CONFIG.get(), os.environ, stack=pulumi.get_stack())
    chosen = settings.load(CONFIG.get(), ROOT, stack=pulumi.get_stack())
    system = System(chosen.system, SystemArgs(settings=chosen, root=ROOT, stack=pulumi.get_stack()))
except (settings.SettingsError, MigrationError) as error:
    raise pulumi.RunError(str(error)) from None

for name, value in system.outputs.items():
    pulumi.export(name, value)
