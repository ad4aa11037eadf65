"""What a cluster, a replica and a Valkey have in common: servers in a folder, and a record of them in a file of it."""

import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from localcloud.servers.account import Account
from localcloud.servers.server import Server
from localcloud.servers.state import save

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


class Managed(ABC, Generic[S]):
    """Safe to call from several threads. Every method may raise ServerError (see `localcloud.servers.errors`).

    state: what is remembered, in the file FILE of `folder`. It is written last when the servers are made: with it they
        are complete.
    """

    FILE: ClassVar[str]

    def __init__(self, folder: Path, state: S, account: Account, lock: "threading.RLock | None" = None) -> None:
        self.folder = folder
        self.state = state
        self._account = account
        self._lock = lock or threading.RLock()

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Whether completely created servers live in `folder`."""
        return (folder / cls.FILE).exists()

    @property
    @abstractmethod
    def servers(self) -> tuple[Server, ...]:
        """Those that must run."""

    def ended(self) -> tuple[str, ...]:
        """Which of the servers do not run. Takes no lock."""
        return tuple(server.label for server in self.servers if not server.running())

    def running(self) -> bool:
        """Whether all of them are alive. Takes no lock."""
        return not self.ended()

    def _remember(self, **changes: Any) -> None:
        """Change what is remembered, on disk first."""
        state = replace(self.state, **changes)
        save(state, self.folder / self.FILE, self._account)
        self.state = state
