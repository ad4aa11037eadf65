"""Which backups are kept."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from trellis.settings.recovery import Keep

# A backup younger than this is kept, also where the next one of its day is there: an hourly one is for today.
_RECENT = timedelta(days=1)


def surplus(times: Iterable[datetime], keep: Keep, now: datetime) -> set[datetime]:
    """Those that need not be kept: not recent, and not the last of a day, week or month that is. Never the newest."""
    newest_first = sorted(times, reverse=True)
    kept = {at for at in newest_first if now - at < _RECENT} | set(newest_first[:1])
    periods: tuple[tuple[int, Callable[[datetime], object]], ...] = (
        (keep.days, lambda at: at.date()),
        (keep.weeks, lambda at: at.isocalendar()[:2]),
        (keep.months, lambda at: (at.year, at.month)),
    )
    for count, period in periods:
        lasts: dict[object, datetime] = {}
        for at in newest_first:
            lasts.setdefault(period(at), at)
        kept |= set(list(lasts.values())[:count])
    return set(newest_first) - kept
