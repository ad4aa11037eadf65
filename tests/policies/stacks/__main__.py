"""Runs one of the programs beside this file. PYTHONPATH names the checkout, for dynamic providers too."""

import os
from importlib import import_module

from trellis.startup import collect_nothing

collect_nothing()
import_module(f"tests.policies.stacks.{os.environ['PROGRAM']}")
