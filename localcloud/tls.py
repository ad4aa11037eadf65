"""TLS for what the local cloud's own process serves, with a certificate of its authority."""

import ssl

from localcloud import files
from localcloud.options import Layout
from localcloud.servers import CertificateAuthority


def context(layout: Layout, authority: CertificateAuthority) -> ssl.SSLContext:
    """For servers on loopback, with a new certificate. The authority's, which clients trust, lies beside it."""
    issued = authority.issue("localcloud", ("127.0.0.1", "localhost"))
    files.replace(layout.trust, authority.pem)
    files.replace(layout.certificate, issued.key + issued.certificate)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(layout.certificate)
    return made
