"""Where DigitalOcean's OpenAPI document and the official plugins' schemas are, on a machine that has them."""

import os
from pathlib import Path

VARIABLE = "TRELLIS_CONTRACTS"
BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "contracts"


def locate(name: str) -> Path | None:
    """One document, or None when this clone has none. Raises FileNotFoundError when the environment points nowhere."""
    folder = Path(os.environ.get(VARIABLE) or BESIDE_THE_CHECKOUT)
    if (folder / name).exists():
        return folder / name
    if os.environ.get(VARIABLE):
        raise FileNotFoundError(f"{VARIABLE}={folder}: there is no {name} in it.")
    return None
