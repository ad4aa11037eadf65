"""The stack's own machine for monitoring, asked from outside: that it is gone it can tell nobody itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from trellis.monitoring.findings import Finding, Severity
from trellis.operations.api import reason
from trellis.operations.status.ways import PATIENCE
from trellis.policies.kinds import DROPLET


def ask(name: str, outputs: Mapping[str, Any], resources: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """A finding for each program of the machine that does not answer. name: the stack's."""
    if not (machine := outputs.get("monitoring")):
        return
    urns = [one["urn"] for one in resources if one["type"] == DROPLET and "trellis:monitoring:" in one["urn"]]
    # None is there where an `up` that builds another one has failed: the next `up` does.
    build = f"trellis up --stack {name}" + "".join(f" -- --replace '{urn}'" for urn in urns[:1])
    with urllib3.PoolManager(
        ca_cert_data=machine["ca_certificate"],
        headers=urllib3.make_headers(basic_auth=f"{machine['user']}:{machine['password']}"),
        timeout=PATIENCE,
        retries=urllib3.Retry(1, redirect=False),
    ) as programs:
        for program in ("prometheus", "alertmanager"):
            try:
                answer = programs.request("GET", f"{machine[program]}/-/healthy")
                failed = None if answer.status == 200 else f"it answered {answer.status}"
            except HTTPError as error:
                failed = reason(error)
            if failed:
                yield Finding(
                    name="not-watched",
                    severity=Severity.CRITICAL,
                    where=f"the monitoring machine, {program}",
                    what=f"{failed}; nobody is told of anything. A new one answers after about two minutes",
                    do=build,
                )
