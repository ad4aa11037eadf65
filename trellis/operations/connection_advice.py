"""What to do when a database cannot be reached."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trellis.migrator import MigrationError, Target

_LOCAL = re.compile(r"127\.\d+\.\d+\.\d+|localhost|::1")
_TRUSTED = (
    "The client's address is no trusted source of the cluster. Add it to trellis:trustedSources of the stack and"
    " deploy."
)

# What the server or libpq says -> what to do.
_ADVICE = (
    (re.compile("no pg_hba.conf entry"), _TRUSTED),
    (
        re.compile("no password supplied|password authentication failed"),
        "Set PGPASSWORD, or put a line for this server into ~/.pgpass (mode 0600).",
    ),
    (
        re.compile("root certificate file|certificate verify failed"),
        "sslmode=verify-full needs the cluster's CA: name its file with sslrootcert in the URL.",
    ),
    (
        re.compile("remaining connection slots|too many clients"),
        "All connections of the plan are taken. Close direct clients; applications use the pool.",
    ),
)
_SILENT = re.compile("timeout|timed out", re.IGNORECASE)
_REFUSED = re.compile("Connection refused")


def with_advice(error: "MigrationError", target: "Target") -> "MigrationError":
    """The same error; where no connection came about, with a hint at what to do."""
    if not error.message.startswith(f"No connection to {target.name}") or error.hint:
        return error
    error.hint = next((advice for pattern, advice in _ADVICE if pattern.search(error.message)), None)
    if error.hint is None and _REFUSED.search(error.message):
        error.hint = (
            "Nothing listens there. The local cloud: `make up`, or `. .trellis/env && python -m localcloud start`."
            if _LOCAL.search(target.name)
            else "Nothing listens there. Is it the cluster's own port, and is the cluster online?"
        )
    elif error.hint is None and _SILENT.search(error.message):
        error.hint = f"DigitalOcean does not answer clients that it does not trust. {_TRUSTED}"
    return error
