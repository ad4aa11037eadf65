"""`python -m trellis`, also installed as `trellis`."""

import sys

from trellis.operations.cli import main

if __name__ == "__main__":
    sys.exit(main())
