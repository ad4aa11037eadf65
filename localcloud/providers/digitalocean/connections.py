"""Connection facts of clusters, pools and replicas, exactly as the official plugin derives them."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

from localcloud.providers.schema import Mode, Property, State, each, integer, text

# What a user name and a password in a URI keep unescaped: unreserved characters and RFC 3986's sub-delimiters
# without the three that Go's net/url escapes all the same.
USERINFO_SAFE = "-_.~$&+,;="


def uri(connection: Mapping[str, Any], engine: str, password: str) -> str:
    """The API's URI with the password of the state: a read-only token is shown none."""
    if engine == "kafka":
        return f"{connection.get('host', '')}:{connection.get('port', 0)}"
    parts = urllib.parse.urlsplit(str(connection.get("uri", "")))
    user = urllib.parse.quote(connection.get("user", ""), safe=USERINFO_SAFE)
    secret = urllib.parse.quote(password, safe=USERINFO_SAFE)
    address = parts.netloc.rpartition("@")[2]
    return str(urllib.parse.urlunsplit(parts._replace(netloc=f"{user}:{secret}@{address}")))


def set_connections(
    state: State, answer: Mapping[str, Any], *, owner: bool = True, password_first: bool = True
) -> None:
    """Puts host, port, URIs and password of an API object into the state.

    owner: the object has a database and a user of its own. password_first: the URI has the password of this answer;
    otherwise the one the state had before it.
    """
    engine = str(state.get("engine") or "")
    connection = answer.get("connection")
    if connection:
        state["host"] = connection.get("host", "")
        state["port"] = connection.get("port", 0)
        if owner:
            state["database"] = connection.get("database", "")
            state["user"] = connection.get("user", "")
        if password_first and connection.get("password"):
            state["password"] = connection["password"]
        state["uri"] = uri(connection, engine, state.get("password", ""))
        if connection.get("password"):
            state["password"] = connection["password"]
    private = answer.get("private_connection")
    if private:
        state["privateHost"] = private.get("host", "")
        state["privateUri"] = uri(private, engine, state.get("password", ""))


def connection_properties(*, owner: bool = True) -> tuple[Property, ...]:
    """The properties that `set_connections` fills."""
    own = (text("database", Mode.COMPUTED, received=False), text("user", Mode.COMPUTED, received=False))
    return (
        *each(text, "host privateHost", Mode.COMPUTED, received=False),
        integer("port", Mode.COMPUTED, received=False),
        *each(text, "uri privateUri password", Mode.COMPUTED, secret=True, received=False),
        *(own if owner else ()),
    )
