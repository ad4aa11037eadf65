"""The text that carries migrations to the server: many small ones in one message, a big one in several."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trellis.migrator.connecting import lock_key
from trellis.migrator.history import HistoryRow, HistoryTable, Pending, literal
from trellis.migrator.options import Options
from trellis.migrator.sql import Comments, Part, Statement, parts

# A message of this many characters is parsed at once by the server without trouble, and long enough that the round
# trip no longer counts.
MESSAGE_SIZE = 1 << 20

# How many statements `Frame.open` puts between its COMMIT and the file's own: BEGIN, two timeouts, and one more where
# the commit need not be flushed.
_OPENING = 3

_CLOCK = "trellis.started"

# What an error's message holds when the lock is gone.
LOCK_LOST = "An earlier file gave up the lock that keeps other migrators out, and another session has it now"


@dataclass(frozen=True, slots=True)
class Unit:
    """One migration and the row it leaves in the history. Its SQL is read from the file each time it is asked for.

    others: what shares its transaction, after it.
    """

    pending: Pending
    row: HistoryRow
    placeholders: Mapping[str, str]
    conforming: bool
    others: Sequence["Unit"] = ()

    @property
    def members(self) -> Sequence["Unit"]:
        """It and what shares its transaction."""
        return (self, *self.others)

    @property
    def comments(self) -> Comments:
        """The settings of its transaction: of several the longest time counts, and 0 is without end."""
        if not self.others:
            return self.pending.survey.comments
        all_of_them = [member.pending.survey.comments for member in self.members]
        return Comments(
            lock_timeout=_longest(one.lock_timeout for one in all_of_them),
            statement_timeout=_longest(one.statement_timeout for one in all_of_them),
        )

    def parts(self) -> Iterator[Part]:
        """Its own SQL."""
        return parts(self.pending.file, self.placeholders, self.conforming)

    def statements(self) -> Iterator[tuple[Part, Statement]]:
        """The statements of its transaction, each with the part it is in."""
        return (
            (part, statement) for member in self.members for part in member.parts() for statement in part.statements()
        )

    @property
    def results(self) -> int:
        """How many results come before that of its COMMIT: its statements, the way to the history, its rows."""
        return sum(member.pending.survey.statements + 1 for member in self.members) + OWN_STATEMENTS - 1


def _longest(times: Iterable[float | None]) -> float | None:
    given = [time for time in times if time is not None]
    return None if not given else 0.0 if 0 in given else max(given)


@dataclass(frozen=True, slots=True)
class Segment:
    """Which part of which unit a stretch of a message is. index: the unit's place in its batch."""

    index: int
    start: int
    part: Part


@dataclass(frozen=True, slots=True)
class Message:
    """One text to send, and where its parts come from."""

    text: str
    segments: tuple[Segment, ...]

    def locate(self, position: int) -> tuple[int, Part, int] | None:
        """The unit, its part and the offset in that of a position; None for the migrator's own statements."""
        for segment in self.segments:
            if segment.start <= position <= segment.start + len(segment.part.rendered.text):
                return segment.index, segment.part, position - segment.start
        return None


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every file of a session: same settings before each, history row after it.

    user, time_zone, search_path: of the session as it was opened.
    """

    table: HistoryTable
    options: Options
    search_path: str
    time_zone: str

    @property
    def session_reset(self) -> str:
        """Undo what an earlier file may have set for the session: role, search path, everything SET can change."""
        return f"RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; {self._restore_path}"

    def timeouts(self, scope: str, comments: Comments) -> str:
        """Set the time limits of a file. scope: LOCAL for its transaction, SESSION for those that have none."""
        lock, statement = comments.lock_timeout, comments.statement_timeout
        lock = self.options.lock_timeout if lock is None else lock
        statement = self.options.statement_timeout if statement is None else statement
        return (
            f"SET {scope} lock_timeout = {round(lock * 1000)};"
            f" SET {scope} statement_timeout = {round(statement * 1000)}"
        )

    def open(self, comments: Comments, *, durable: bool) -> str:
        """Everything before a file's own SQL.

        The settings have a transaction of their own: a file may begin with SET TRANSACTION, which no query may precede.

        comments: the file's own settings.
        durable: False leaves the commit to be flushed with a later one. The log is written in order, so a crash can
        only lose the newest of such migrations together with their history rows; the next run applies them again.
        """
        flush = "" if durable else " SET LOCAL synchronous_commit = off;"
        return f"BEGIN; {self.session_reset}; COMMIT;\nBEGIN; {self.timeouts('LOCAL', comments)};{flush}\n"

    def close(self, rows: Iterable[HistoryRow]) -> str:
        """Everything after a transaction's own SQL."""
        inserts = (self.table.insert_timed(row, installed_on=self.clock, execution_time=_ELAPSED) for row in rows)
        return f"{OWN_ROLE}{'; '.join(inserts)}; COMMIT;\n"

    @property
    def clock(self) -> str:
        """The time as an SQL expression: now() would be that of the whole message, in the file's own time zone."""
        return f"pg_catalog.clock_timestamp() AT TIME ZONE {literal(self.time_zone)}"

    @property
    def _restore_path(self) -> str:
        path = f"pg_catalog.set_config('search_path', {literal(self.search_path)}, false)"
        epoch = "extract(epoch FROM pg_catalog.clock_timestamp())::text"
        return f"SELECT {path}, pg_catalog.set_config('{_CLOCK}', {epoch}, false), {self._lock}"

    @property
    def _lock(self) -> str:
        """Take the lock once more, as a file may have given it up; what is no number makes an error of it."""
        taken = f"pg_catalog.pg_try_advisory_lock({lock_key(self.table)})"
        return f"(CASE WHEN {taken} THEN '1' ELSE {literal(LOCK_LOST)} END)::int"


# The history belongs to the user who connected, whoever a file has made itself.
OWN_ROLE = "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE; "
# How many statements stand between a file's own and its COMMIT: these two, and the one that writes the history.
OWN_STATEMENTS = 3

# A RESET ALL in the file clears the clock; the time is then not known and 0.
_ELAPSED = (
    "coalesce(round((extract(epoch FROM pg_catalog.clock_timestamp())"
    f" - nullif(pg_catalog.current_setting('{_CLOCK}', true), '')::numeric) * 1000), 0)::int"
)


def messages(units: Sequence[Unit], frame: Frame) -> Iterator[Message]:
    """The units as messages of about a mebibyte; a statement is never cut."""
    texts: list[str] = []
    segments: list[Segment] = []
    size = 0

    def add(text: str) -> None:
        nonlocal size
        texts.append(text)
        size += len(text)

    def take() -> Message:
        nonlocal size
        message = Message("".join(texts), tuple(segments))
        texts.clear()
        segments.clear()
        size = 0
        return message

    for index, unit in enumerate(units):
        add(frame.open(unit.comments, durable=index == len(units) - 1))
        members = unit.members
        for member in members:
            for part in member.parts():
                if size >= MESSAGE_SIZE:
                    yield take()
                segments.append(Segment(index, size, part))
                add(part.rendered.text)
            # They finish a last line that is a comment.
            add("\n;")
        add(frame.close(member.row for member in members))
        if size >= MESSAGE_SIZE:
            yield take()
    if texts:
        yield take()


class Reader:
    """Follows the results of a batch and knows how far it came.

    done: how many units are committed. milliseconds: what each of them took. statement: how many of the current unit's
    own statements are done, below zero before its first.
    """

    def __init__(self, last: int) -> None:
        self.milliseconds: list[int] = []
        self._last = last
        self._results = 0
        self._opened = False
        self._value = b""

    @property
    def done(self) -> int:
        """How many units are committed."""
        return len(self.milliseconds)

    @property
    def statement(self) -> int:
        """How many of the current unit's own statements are done; below zero before its first."""
        before = _OPENING + 1 if self.done < self._last else _OPENING
        return self._results - before if self._opened else -1

    def take(self, tag: bytes | None, value: bytes | None) -> bool:
        """Take one result: its command tag, and its first value if it has one. Whether a unit was committed with it."""
        self._results += 1
        if tag != b"COMMIT":
            self._value = value if value is not None else b""
            return False
        self._results = 0
        self._opened = not self._opened
        if self._opened:
            return False
        self.milliseconds.append(int(self._value))
        return True
