#!/usr/bin/env python3
"""Serves the pack to the engine: `--policy-pack policies`, or this file itself as an executable."""

import sys
from pathlib import Path

# The engine runs this file from a folder of its own choice; the packages it needs lie beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import serve

if __name__ == "__main__":
    serve()
