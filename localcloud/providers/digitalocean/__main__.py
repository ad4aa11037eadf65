"""`python -m localcloud.providers.digitalocean ENGINE`: the digitalocean plugin."""

from localcloud.providers.digitalocean.package import PACKAGE
from localcloud.providers.server import main

if __name__ == "__main__":
    main(PACKAGE)
