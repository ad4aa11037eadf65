"""Trying again after a lock timeout, a deadlock or a serialisation failure."""

from trellis.migrator.errors import ServerError
from trellis.migrator.options import Options

_LONGEST_DELAY = 30.0


class Retry:
    """The tries left for one migration."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._delay = options.retry_delay
        self._used = 0

    def pause(self, cause: ServerError, place: str | None) -> bool:
        """Wait before the next try; False, at once, when there is none: tries used up, or the error is of no such kind.

        place: file and line, for the progress line.
        """
        if cause.lost or not cause.retryable or self._used >= self._options.retries:
            return False
        self._used += 1
        who = f" {cause.hint}" if cause.hint else ""
        self._options.tell(
            f"{place}: {cause.message} (SQLSTATE {cause.sqlstate}).{who} Trying again in {self._delay:g} s,"
            f" {self._used} of {self._options.retries}."
        )
        delay, self._delay = self._delay, min(self._delay * 2, _LONGEST_DELAY)
        return self._options.pause(delay)

    def advice(self, cause: ServerError, hint: str | None) -> str | None:
        """The server's hint, and what to do about an error that several tries did not get past."""
        if not cause.retryable:
            return hint
        who = hint or "Something holds a lock the migration needs: pg_stat_activity shows who."
        return (
            f"Tried {self._used + 1} times. {who} Most often it is a transaction left open: have it end, or give the"
            " file more time with a comment at its head, -- trellis: lock_timeout=30s."
        )
