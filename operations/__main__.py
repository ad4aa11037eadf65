"""`python -m operations`, also installed as `trellis`."""

import sys

from operations.cli import main

if __name__ == "__main__":
    sys.exit(main())
