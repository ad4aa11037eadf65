"""Keeping secrets out of what a person or a log gets to see."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg

from trellis.migrator.errors import MigrationError, ServerError

from .connection import Session

_SECRET_NAME = re.compile(r"pass|secret|token|credential|private", re.IGNORECASE)
_SHOWN = ("message", "detail", "hint", "context", "state")


@contextmanager
def readable_errors(session: Session, placeholders: Mapping[str, str]) -> Iterator[Callable[[str], str]]:
    """Turn what psycopg and the server raise into MigrationError, and take secrets out of it.

    Yields the function that takes them out of a text: the connection's password, and the values of placeholders whose
    names speak of a password, secret, token or credential. A server may repeat such a value in the context of an error.
    """
    secrets = [value for name, value in placeholders.items() if value and _SECRET_NAME.search(name)]

    def conceal(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "********")
        return session.target.conceal(text)

    try:
        yield conceal
    except MigrationError as error:
        for name in _SHOWN:
            value = getattr(error, name)
            if value is not None:
                setattr(error, name, conceal(value))
        error.args = (error.message,)
        raise
    except (psycopg.Error, ServerError) as error:
        raise MigrationError(
            conceal(str(error).strip()),
            sqlstate=error.sqlstate,
            state=f"The history table {session.table} tells what is applied; the next run goes on from there.",
        ) from None
