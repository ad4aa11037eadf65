"""From when on something is a finding."""

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """full: share of storage and of connections. Queries name these figures as parameters.

    ages of `days`: of what is to be renewed or repeated. ahead_days: how long before its end something is told.
    """

    full: float = 0.8
    very_full: float = 0.95
    slow_ms: float = 1000
    long_transaction_s: float = 300
    very_long_transaction_s: float = 3600
    waits_s: float = 5
    waits_long_s: float = 60
    lag_s: float = 60
    lag_bytes: int = 64 << 20
    slot_bytes: int = 1 << 30
    transactions: int = 500_000_000
    many_transactions: int = 1_500_000_000
    dead_rows: int = 10_000
    dead_share: float = 0.2
    unused_bytes: int = 1 << 20
    unused_days: int = 30
    used_up: float = 0.8
    backup_hours: float = 26
    no_backup_hours: float = 50
    drill_days: float = 35
    credential_days: float = 365
    ahead_days: float = 60
    growth_days: float = 30


LIMITS = Limits()
