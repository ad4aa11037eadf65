"""`python -m localcloud.providers.cloudflare ENGINE`: the cloudflare plugin."""

from localcloud.providers.cloudflare.package import PACKAGE
from localcloud.providers.server import main

if __name__ == "__main__":
    main(PACKAGE)
