"""A local cloud in miniature: starts a cluster's servers and stays, until it is killed.

Arguments: folder of the cluster, PostgreSQL folder, PgBouncer program, state folder, authority folder, `create` or
`start`. Writes "up" when the servers run.
"""

import sys
import time
from pathlib import Path

from localcloud.servers import CertificateAuthority, Cluster, Tools
from tests.localcloud.servers.clients import spec


def main() -> None:
    folder, postgresql, pgbouncer, state, authority = map(Path, sys.argv[1:6])
    tools = Tools.locate(postgresql, pgbouncer, state)
    if sys.argv[6] == "create":
        Cluster.create(folder, spec(), tools, CertificateAuthority(authority))
    else:
        Cluster.load(folder, tools, CertificateAuthority(authority)).start()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    time.sleep(3600)


if __name__ == "__main__":
    main()
