"""Connecting: a session with the server, what is sent in it, its lock, and the history table made and read."""

from .connection import MOVE, Connection, Session, Target
from .creation import create_history
from .lock import acquire, lock_key
from .privacy import readable_errors
from .wire import roll_back, run, send

__all__ = [
    "MOVE",
    "Connection",
    "Session",
    "Target",
    "acquire",
    "create_history",
    "lock_key",
    "readable_errors",
    "roll_back",
    "run",
    "send",
]
