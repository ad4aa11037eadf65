"""The replicas of one cluster."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from localcloud.servers import ports, processes
from localcloud.servers.errors import StartFailed
from localcloud.servers.folders import remove
from localcloud.servers.nodes import Nodes
from localcloud.servers.postgresql import PostgresServer
from localcloud.servers.replica import Replica
from localcloud.servers.replication import copy_primary, drop_slots_except
from localcloud.servers.state import REPLICA_FILE, ReplicaState, load, save
from localcloud.waiting import until

STREAM_PATIENCE = 120.0
"""Seconds a new replica may take from accepting readers to streaming."""


class Replicas:
    """Makes, remembers and forgets a cluster's replicas. The caller holds the cluster's lock.

    folders: replicas to load, folder by name.
    remember: called with the folders by name whenever they change.
    """

    def __init__(
        self,
        *,
        nodes: Nodes,
        primary: PostgresServer,
        lock: "threading.RLock",
        folders: Mapping[str, Path],
        remember: Callable[[Mapping[str, Path]], None],
    ) -> None:
        self._nodes = nodes
        self._primary = primary
        self._lock = lock
        self._remember = remember
        self._replicas = {
            name: self._replica(folder, load(ReplicaState, folder / REPLICA_FILE)) for name, folder in folders.items()
        }

    def __iter__(self) -> Iterator[Replica]:
        return iter(tuple(self._replicas.values()))

    def by_name(self) -> dict[str, Replica]:
        return dict(self._replicas)

    def create(self, folder: Path, state: ReplicaState) -> Replica:
        """Copy the running primary into `folder`, start it as a standby, return when it streams.

        After an error nothing is left.
        """
        program = self._nodes.tools.basebackup(self._nodes.version)
        account = self._nodes.account
        remove(folder)
        self.drop_stale_slots()
        account.private_folder(folder)
        try:
            account.check_reach(folder / "data")
            replica = self._replica(folder, state)
            server = self._nodes.replica(folder, state.name, state.port)
            self._nodes.certify(server)
            copy_primary(self._primary, server, state.name, program, self._nodes.secrets.replication)
            save(state, folder / REPLICA_FILE, account)
            replica.start()
            _await_stream(replica)
            self._set({**self._replicas, state.name: replica})
        except BaseException:
            remove(folder)
            self.drop_stale_slots()
            raise
        return replica

    def choose_port(self) -> int:
        return ports.choose(self._nodes.hosts)[0]

    def drop_stale_slots(self) -> None:
        """Drop the slots that creations and removals cut short have left on the running primary."""
        drop_slots_except(self._primary, list(self._replicas))

    def _replica(self, folder: Path, state: ReplicaState) -> Replica:
        return Replica(
            state=state,
            server=self._nodes.replica(folder, state.name, state.port),
            primary=self._primary,
            lock=self._lock,
            forget=self._forget,
        )

    def _forget(self, name: str) -> None:
        self._set({other: replica for other, replica in self._replicas.items() if other != name})
        if self._primary.running():
            self.drop_stale_slots()

    def _set(self, replicas: dict[str, Replica]) -> None:
        self._remember({name: replica.folder for name, replica in replicas.items()})
        self._replicas = replicas


def _await_stream(replica: Replica) -> None:
    if not until(lambda: replica.status().streaming, STREAM_PATIENCE):
        raise StartFailed(
            f"Replica {replica.name!r} started but does not stream from its primary. The end of {replica.log}:\n"
            f"{processes.tail(replica.log)}"
        )
