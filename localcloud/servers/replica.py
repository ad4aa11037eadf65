"""One read-only node: a hot standby that streams from a cluster's primary."""

from collections.abc import Sequence
from pathlib import Path

from localcloud.servers.specs import ReplicaStatus


class Replica:
    """A read-only node. Made by `Cluster.create_replica`, loaded with its cluster, found in `Cluster.replicas`."""

    name: str
    folder: Path

    @property
    def port(self) -> int:
        raise NotImplementedError

    @property
    def max_connections(self) -> int:
        raise NotImplementedError

    @property
    def trusted_sources(self) -> tuple[str, ...]:
        raise NotImplementedError

    def running(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def destroy(self) -> None:
        """Stop it, drop its replication slot on the primary, remove its files. Idempotent."""
        raise NotImplementedError

    def resize(self, max_connections: int) -> None:
        raise NotImplementedError

    def set_trusted_sources(self, sources: Sequence[str]) -> None:
        raise NotImplementedError

    def status(self) -> ReplicaStatus:
        raise NotImplementedError
