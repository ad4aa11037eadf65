"""When the certificates of a cluster end."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trellis.operations.status.ways import Way


def ends(found: Sequence[Way], outputs: Mapping[str, Any], cluster: str, folder: Path) -> Mapping[str, datetime]:
    """What it is -> its end: of the authorities that clients are given, and of what each port shows.

    A port that shows none to be trusted is not among them: the way that leads there fails. folder: as of `ways`.
    """
    from cryptography import x509

    from trellis.server.arrangement import served

    text = str(outputs.get("ca_certificates", {}).get(cluster, ""))
    # Of several authorities the last to end counts: clients trust all of them.
    known = [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(text.encode())] if text else []
    found_ends = {"the authority's certificate": max(known)} if known else {}
    for host, port in dict.fromkeys(way.target.address for way in found):
        try:
            certificate = served(host, port, folder / f"{cluster}.crt")
        except OSError:
            continue
        found_ends[f"the certificate of port {port}"] = certificate.not_valid_after_utc
    return {what: end.astimezone(UTC) for what, end in found_ends.items()}
