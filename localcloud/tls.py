"""TLS for what the local cloud's own process serves, with a certificate of its authority."""

import ssl
import threading

from localcloud import files
from localcloud.options import Layout
from localcloud.servers import CertificateAuthority

_lock = threading.Lock()


def context(layout: Layout, authority: CertificateAuthority) -> ssl.SSLContext:
    """For servers on loopback. The authority's certificate, which clients trust, lies beside the certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _lock:
        if not layout.certificate.exists() or layout.trust.read_text("utf-8") != authority.pem:
            issued = authority.issue("localcloud", ("127.0.0.1", "localhost"))
            files.replace(layout.trust, authority.pem)
            files.replace(layout.certificate, issued.key + issued.certificate)
        made.load_cert_chain(layout.certificate)
    return made
