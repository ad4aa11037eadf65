"""The replicas of one cluster."""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from localcloud import files
from localcloud.servers import ports, processes
from localcloud.servers.errors import StartFailed
from localcloud.servers.folders import remove
from localcloud.servers.nodes import Nodes
from localcloud.servers.postgresql import PostgresServer
from localcloud.servers.replica import Replica
from localcloud.servers.replication import copy_primary, keep_slots
from localcloud.servers.state import REPLICA_FILE, ReplicaState, load, save
from localcloud.waiting import until

STREAM_PATIENCE = 120.0
"""Seconds a new replica may take from accepting readers to streaming."""

FOLLOW_PATIENCE = 15.0
"""Seconds a replica may take to stream from a primary that took over; one that is ahead of it never does."""


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
            name: self.node(folder, load(ReplicaState, folder / REPLICA_FILE)) for name, folder in folders.items()
        }

    def __iter__(self) -> Iterator[Replica]:
        return iter(tuple(self._replicas.values()))

    def by_name(self) -> dict[str, Replica]:
        return dict(self._replicas)

    def create(self, folder: Path, state: ReplicaState) -> Replica:
        """Copy the running primary into `folder`, start it as a standby, return when it streams.

        After an error nothing is left.
        """
        account = self._nodes.account
        remove(folder)
        account.private_folder(folder)
        try:
            account.check_reach(folder / "data")
            replica = self.node(folder, state)
            self._nodes.certify(replica.server)
            keep_slots(self._primary, [*self._replicas, state.name])
            self._fill(replica)
            save(state, folder / REPLICA_FILE, account)
            self._set({**self._replicas, state.name: replica})
        except BaseException:
            remove(folder)
            self.keep_slots()
            raise
        return replica

    def start(self, replica: Replica) -> None:
        """Start it, or fill it anew where its data is gone or is of another version than the running primary's."""
        if replica.server.version() == self._primary.version():
            replica.start()
        else:
            self._fill(replica)

    def follow(self) -> None:
        """After another node became primary: fill those anew that cannot stream from it."""
        for replica in self:
            if not _streams(replica, FOLLOW_PATIENCE):
                self._fill(replica)

    def _fill(self, replica: Replica) -> None:
        """Copy the running primary into it, start it, return when it streams."""
        program = self._nodes.tools.client("pg_basebackup", self._nodes.state.version)
        replica.stop()
        processes.stop_within(replica.server.data)
        shutil.rmtree(replica.server.data, ignore_errors=True)
        copy_primary(self._primary, replica.server, replica.state.name, program, self._nodes.secrets.replication)
        replica.start()
        _await_stream(replica)

    def choose_port(self) -> int:
        return ports.choose(self._nodes.hosts)[0]

    def keep_slots(self) -> None:
        """Give the running primary the slots it needs, and none that creations and removals cut short have left."""
        keep_slots(self._primary, list(self._replicas))

    def node(self, folder: Path, state: ReplicaState) -> Replica:
        """The node in `folder`, whether it is one of the cluster's or not."""
        return Replica(
            state=state,
            server=self._nodes.replica(folder, state.name, state.port),
            primary=self._primary,
            lock=self._lock,
            forget=self.forget,
        )

    def forget(self, name: str) -> None:
        """No longer one of the cluster's, whatever becomes of its folder."""
        self._set({other: replica for other, replica in self._replicas.items() if other != name})
        if self._primary.running():
            self.keep_slots()

    def _set(self, replicas: dict[str, Replica]) -> None:
        self._remember({name: replica.folder for name, replica in replicas.items()})
        self._replicas = replicas


def _await_stream(replica: Replica) -> None:
    if not _streams(replica, STREAM_PATIENCE):
        raise StartFailed(
            f"{replica.server.label} started but does not stream from its primary. The end of {replica.server.log}:\n"
            f"{files.tail(replica.server.log)}"
        )


def _streams(replica: Replica, patience: float) -> bool:
    return until(lambda: replica.lag() is not None, patience)
