"""Where a stack's databases come from, as `trellis:from` in its config says."""

import json
from collections.abc import Mapping

from trellis.operations.engine import Engine
from trellis.operations.errors import OperationError
from trellis.operations.move.sides import Side

FROM = "trellis:from"
# What libpq finds on this machine, and not on the stack's server.
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "service")


def origins(engine: Engine) -> Mapping[str, Side]:
    """Database -> the one on a foreign server that it comes from.

    Raises OperationError for a URL that cannot be read, or that holds a password for everybody to see.
    """
    urls = json.loads(engine.configuration().get(FROM) or "{}")
    return {database: _side(engine, f"{FROM}.{database}", url) for database, url in urls.items()}


def _side(engine: Engine, key: str, url: str) -> Side:
    from psycopg.conninfo import conninfo_to_dict

    from trellis.migrator import MigrationError, Target

    try:
        Target(url)
    except MigrationError as error:
        raise OperationError(f"{key}: {error.message}") from None
    # A password goes over the internet.
    parameters = {"sslmode": "require", **conninfo_to_dict(url)}
    if parameters.get("password") and not engine.is_secret(FROM):
        raise OperationError(
            f"{key} holds a password that everybody can read. Change it on its server, and keep the new one encrypted: "
            f"pulumi config set --secret --path {key} 'postgresql://…'"
        )
    peer = {name: str(value) for name, value in parameters.items() if name not in _FILES}
    if "sslrootcert" in parameters:
        peer["sslmode"] = "require"
    return Side(
        cluster=str(parameters.get("host") or "localhost"),
        database=str(parameters.get("dbname") or parameters.get("user")),
        target=Target(parameters),
        peer=peer,
    )
