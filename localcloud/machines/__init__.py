"""Machines behind Droplets: a Debian root file system with systemd, in Linux namespaces of its own.

    host = Host(images)
    host.require("debian-12-x64", state)
    volume = Volume.create(state / "volumes" / id, name="data", gib=10, filesystem="ext4", label="")
    machine = Machine.create(state / "machines" / id, MachineSpec(...), host)
    machine.start([volume], Walls(own=addresses))

A machine has its own processes, mounts, host name and cgroup. It shares the host's network, so that everything stays
on loopback: it owns two addresses out of 127.0.0.0/8 and must bind to those. It cannot change the host's network,
clock, kernel settings or devices. What reaches its sockets, and what leaves them, is judged by its walls.
"""

from localcloud.machines.addresses import choose
from localcloud.machines.errors import HostUnfit, MachineError, StartFailed
from localcloud.machines.filters import Opening, Walls
from localcloud.machines.host import Host
from localcloud.machines.machine import Machine
from localcloud.machines.seed import MachineSpec
from localcloud.machines.volume import Volume

__all__ = [
    "Host",
    "HostUnfit",
    "Machine",
    "MachineError",
    "MachineSpec",
    "Opening",
    "StartFailed",
    "Volume",
    "Walls",
    "choose",
]
