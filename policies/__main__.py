#!/usr/bin/env python3
"""Serves the pack to the engine: `--policy-pack policies`, or this file itself as an executable."""

import sys
from pathlib import Path

# The engine runs this file from a folder of its own choice: a checkout is named here, an installed package is found.
sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "trellis").is_dir())))

from trellis.startup import collect_nothing

if __name__ == "__main__":
    collect_nothing()
    from trellis.policies.pack import serve

    serve()
