"""Figures as people read them."""

from datetime import timedelta


def size(number: float) -> str:
    """Bytes."""
    for unit, least in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(number) >= least:
            return f"{number / least:.3g} {unit}" if abs(number) < 1000 * least else f"{number / least:.0f} {unit}"
    return f"{number:.0f} B"


def age(passed: timedelta) -> str:
    """A span of time, in its largest unit."""
    seconds = passed.total_seconds()
    for unit, least in (("days", 2 * 86400), ("h", 2 * 3600), ("min", 120)):
        if seconds >= least:
            return f"{seconds / {'days': 86400, 'h': 3600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"
