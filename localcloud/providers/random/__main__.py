"""`python -m localcloud.providers.random ENGINE`: the random plugin."""

from localcloud.providers.random.package import PACKAGE
from localcloud.providers.server import main

if __name__ == "__main__":
    main(PACKAGE)
