"""What the kernel holds a machine to: BPF programs on its control group, which end with that.

Linux gives every connection to loopback the source 127.0.0.1, so servers could not tell machines apart. One program
binds each connection to the machine's address first, except those to 127.0.0.1 itself, which stay what programs expect
of localhost. Root in a machine is root: it can mount a proc and a devtmpfs of its own. So one program refuses to change
kernel settings, wherever they are mounted, and one refuses all devices but those a machine has.
"""

import ctypes
import ipaddress
import os
import platform
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from localcloud.machines.errors import MachineError

_SYSTEM_CALL = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _PROG_ATTACH, _PROG_GET_FD_BY_ID, _PROG_QUERY = 5, 8, 13, 16
_ALLOW_MULTI, _REPLACE = 2, 4
"""systemd in the machine may add programs of its own, and ours go on to count."""
_ATTRIBUTES = 128
"""Bytes of the kernel's argument structure, zeros where nothing is said."""

_LOOPBACK_NET = 127
_LOCALHOST = int.from_bytes(socket.inet_aton("127.0.0.1"), "little")
_DESTINATION = 4
"""Where the kernel's context has the IPv4 address that is connected to."""
_BIND = 64
"""Number of the kernel function that binds a socket."""
_attaching = threading.Lock()
"""What is replaced must still be there, and two programs at one place are one too many."""


# The kernel's numbers: kind of program, place where it is attached.
_CONNECTIONS, _SETTINGS, _DEVICES, _RECEIVED, _SENT = (18, 10), (23, 18), (15, 6), (8, 0), (8, 1)
_MACHINES_DEVICES = (1, 5, 7, 136)
"""Major numbers: null and its like, terminals, the loop devices of volumes, terminals of sessions."""


def check() -> None:
    """Raises MachineError where the kernel takes no such programs."""
    for place, program in _programs("127.0.0.1"):
        os.close(_load(place, program))


def give(cgroup: Path, address: str) -> None:
    """Holds all processes in this control group to the rules. address: the source of their connections to loopback."""
    _attach(cgroup, _programs(address))


def hold(cgroup: Path, programs: tuple[bytes, bytes]) -> None:
    """Has these judge every packet that sockets of this control group get, and send, in place of those before."""
    _attach(cgroup, zip((_RECEIVED, _SENT), programs, strict=True))


def _attach(cgroup: Path, programs: Iterable[tuple[tuple[int, int], bytes]]) -> None:
    """Puts each at its place, for the one that is there: nobody but us puts one there."""
    group = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for place, code in programs:
            with _attaching:
                program, before = _load(place, code), _attached(group, place)
                order = struct.pack("<IIII", group, program, place[1], _ALLOW_MULTI | (_REPLACE if before else 0))
                _call(_PROG_ATTACH, order + struct.pack("<I", before or 0))
            for descriptor in filter(None, (program, before)):
                os.close(descriptor)
    finally:
        os.close(group)


def _attached(group: int, place: tuple[int, int]) -> int | None:
    """The program that is at this place of the control group."""
    ids = (ctypes.c_uint32 * 1)()
    _call(_PROG_QUERY, struct.pack("<IIIIQI", group, place[1], 0, 0, ctypes.addressof(ids), len(ids)))
    return _call(_PROG_GET_FD_BY_ID, struct.pack("<I", ids[0])) if ids[0] else None


def _programs(address: str) -> tuple[tuple[tuple[int, int], bytes], ...]:
    return (_CONNECTIONS, _binds(address)), (_SETTINGS, _allows(0, (0,))), (_DEVICES, _allows(4, _MACHINES_DEVICES))


def instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """One instruction of a program, as the kernel reads it."""
    return struct.pack("<BBhi", code, source << 4 | to, offset, value)


def _allows(offset: int, values: Sequence[int]) -> bytes:
    """Allows what has one of the values at this offset of the kernel's context: no write, or the device's number."""
    return b"".join(
        (
            instruction(0xB7, to=0, value=1),  # go on
            instruction(0x61, to=2, source=1, offset=offset),
            *(instruction(0x15, to=2, offset=len(values) - at, value=value) for at, value in enumerate(values)),
            instruction(0xB7, to=0),  # refused
            instruction(0x95),
        )
    )


def _binds(address: str) -> bytes:
    own = int.from_bytes(ipaddress.IPv4Address(address).packed, "little", signed=True)
    return b"".join(
        (
            instruction(0xBF, to=6, source=1),  # r6 = context
            instruction(0x61, to=2, source=1, offset=_DESTINATION),  # r2 = destination
            instruction(0xBF, to=3, source=2),
            instruction(0x57, to=3, value=0xFF),  # r3 = its first byte
            instruction(0x55, to=3, offset=9, value=_LOOPBACK_NET),  # not loopback: leave it alone
            instruction(0x15, to=2, offset=8, value=_LOCALHOST),  # localhost: leave it alone
            instruction(0x62, to=10, offset=-16, value=socket.AF_INET),  # a socket address on the stack
            instruction(0x62, to=10, offset=-12, value=own),
            instruction(0x7A, to=10, offset=-8),
            instruction(0xBF, to=1, source=6),
            instruction(0xBF, to=2, source=10),
            instruction(0x07, to=2, value=-16),
            instruction(0xB7, to=3, value=16),
            instruction(0x85, value=_BIND),  # fails where the program has bound already: then that stays
            instruction(0xB7, to=0, value=1),  # go on
            instruction(0x95),
        )
    )


def _load(place: tuple[int, int], program: bytes) -> int:
    code = ctypes.create_string_buffer(program)
    license = ctypes.create_string_buffer(b"GPL")
    kind, attached = place
    head = struct.pack("<IIQQ", kind, (len(code) - 1) // 8, ctypes.addressof(code), ctypes.addressof(license))
    expected = struct.pack("<I", attached)
    return _call(_PROG_LOAD, head.ljust(68, b"\0") + expected)


def _call(command: int, attributes: bytes) -> int:
    number = _SYSTEM_CALL.get(platform.machine())
    if number is None or sys.byteorder != "little":
        raise MachineError(f"Machines cannot have addresses of their own on a {platform.machine()}.")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, _ATTRIBUTES)
    result: int = libc.syscall(number, command, buffer, _ATTRIBUTES)
    if result < 0:
        raise MachineError(f"The kernel takes no BPF program for a control group: {os.strerror(ctypes.get_errno())}.")
    return result
