"""Times that come again, written as cron writes them: minute, hour, day of the month, month, day of the week. UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

# Name of a field, its smallest and largest value.
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART = re.compile(r"(?:\*|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/(?P<step>\d+))?")
# 29 February comes again after eight years at the latest.
_LONGEST = timedelta(days=8 * 366)


@dataclass(frozen=True)
class Cron:
    """What each field admits. either: whether day of the month and of the week are both named, and either will do."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @classmethod
    def read(cls, text: str) -> "Cron":
        """Raises ValueError for a text that is none, and for one whose time never comes."""
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(
                f"{text!r} has {len(parts)} fields. It takes five: minute, hour, day of the month, month, day of the "
                'week, for example "30 2 * * *"'
            )
        minutes, hours, days, months, weekdays = (
            _values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        found = cls(
            text=text,
            minutes=tuple(sorted(minutes)),
            hours=tuple(sorted(hours)),
            days=frozenset(days),
            months=frozenset(months),
            weekdays=frozenset(day % 7 for day in weekdays),
            either=parts[2] != "*" and parts[4] != "*",
        )
        # Any leap year will do.
        if not any(found._on(date(2024, 1, 1) + timedelta(days=day)) for day in range(7 * 366)):
            raise ValueError(f"{text!r} never comes")
        return found

    def before(self, now: datetime) -> datetime:
        """The last time that it was due, `now` included."""
        now = now.astimezone(UTC)
        day = now.date()
        while now.date() - day < _LONGEST:
            if self._on(day):
                for hour in reversed(self.hours):
                    for minute in reversed(self.minutes):
                        due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                        if due <= now:
                            return due
            day -= timedelta(days=1)
        raise AssertionError(f"{self.text!r} was read, and never comes")

    def _on(self, day: date) -> bool:
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_month or by_week if self.either else by_month and by_week)


def _values(text: str, name: str, lowest: int, highest: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        first, last, step = (match["first"], match["last"], match["step"]) if match else (None, None, None)
        low = lowest if first is None else int(first)
        high = highest if first is None or (step and last is None) else int(last or first)
        if match is None or not lowest <= low <= high <= highest or step == "0":
            raise ValueError(
                f"{part!r} is no {name}: a number from {lowest} to {highest}, a range as 1-5, * or a step as */15"
            )
        found.update(range(low, high + 1, int(step or 1)))
    return found
