"""Firewalls as programs of the kernel: what a machine's sockets may receive, and send, packet by packet.

As at DigitalOcean they keep state: a rule is about who may begin, and what answers passes. Of TCP the packet that opens
a connection is judged, so that one that stands outlives a change of the rules.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from localcloud.machines.kernel_rules import instruction

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
_PACKET = -24
"""Where on the stack a piece of the packet is looked at."""
_SOURCE, _DESTINATION = 12, 16
"""Where an IPv4 header has its addresses."""
_REMOTE_PORT = 132
"""Where the kernel's context has the port that the socket is connected to."""
_LOAD = 26
"""Number of the kernel function that copies bytes of a packet."""
_SYN, _SYN_ACK = 0x02, 0x12

_ADMIT = instruction(0xB7, value=1) + instruction(0x95)
_REFUSE = instruction(0xB7, value=0) + instruction(0x95)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Who may begin. protocol: "tcp", "udp" or "icmp". ports: the first and the last. networks: IPv4, of the others."""

    protocol: str
    ports: tuple[int, int]
    networks: tuple[ipaddress.IPv4Network, ...]


@dataclass(frozen=True, kw_only=True)
class Walls:
    """What a machine's firewalls let through. own: its addresses, among which nothing is held up. None: everything."""

    own: tuple[str, ...]
    inbound: tuple[Opening, ...] | None = None
    outbound: tuple[Opening, ...] | None = None

    def programs(self) -> tuple[bytes, bytes]:
        """Of packets that come in and that go out."""
        return self._program(self.inbound, inbound=True), self._program(self.outbound, inbound=False)

    def _program(self, openings: Sequence[Opening] | None, *, inbound: bool) -> bytes:
        if openings is None:
            return _ADMIT
        own = [_number(address) for address in self.own]
        theirs, ours = (_SOURCE, _DESTINATION) if inbound else (_DESTINATION, _SOURCE)
        code = [
            instruction(0xBF, to=6, source=1),  # r6 = context
            _look(0, 20),
            _unless(0x15, 0, 0, _ADMIT),  # no packet of IPv4: not one for the machine's addresses
            instruction(0x71, to=2, source=10, offset=_PACKET),
            instruction(0x77, to=2, value=4),
            _unless(0x15, 2, 4, _ADMIT),
            *_address(7, theirs),
            *_address(8, ours),
        ]
        if inbound:
            # What is shared with this computer, 127.0.0.1 first of all, is not the machine's.
            code += [instruction(0x16, to=8, offset=len(own) - at + 1, value=value) for at, value in enumerate(own)]
            code.append(_ADMIT)
        else:
            own.append(_number("127.0.0.1"))
        code += [_unless(0x56, 7, value, _ADMIT) for value in own]
        code += [
            instruction(0x71, to=9, source=10, offset=_PACKET + 9),  # r9 = protocol
            instruction(0x71, to=8, source=10, offset=_PACKET),
            instruction(0x57, to=8, value=0x0F),
            instruction(0x67, to=8, value=2),  # r8 = where the protocol's own header begins
        ]
        opens = [
            _look(13, 1, of=8),
            instruction(0x71, to=2, source=10, offset=_PACKET),
            instruction(0x57, to=2, value=_SYN_ACK),
            _unless(0x15, 2, _SYN, _ADMIT),
        ]
        code.append(_unless(0x55, 9, _PROTOCOLS["tcp"], b"".join(opens)))
        if inbound:
            connected = instruction(0x61, to=2, source=6, offset=_REMOTE_PORT) + _unless(0x15, 2, 0, _ADMIT)
            code.append(_unless(0x55, 9, _PROTOCOLS["udp"], connected))
            # The kernel answers what others ask; a program gets nothing but answers.
            code.append(_unless(0x55, 9, _PROTOCOLS["icmp"], _ADMIT))
        code += [
            _look(2, 2, of=8),
            instruction(0x69, to=8, source=10, offset=_PACKET),
            instruction(0xDC, to=8, value=16),  # r8 = port of the service
            *map(_opening, openings),
        ]
        return b"".join(code) + _REFUSE


def _number(address: str) -> int:
    """An address, or a mask, as an instruction compares it: a signed number."""
    return int.from_bytes(ipaddress.IPv4Address(address).packed, "big", signed=True)


def _unless(test: int, register: int, value: int, block: bytes) -> bytes:
    """The block, jumped over where the test of this register holds."""
    return instruction(test, to=register, offset=len(block) // 8, value=value) + block


def _look(offset: int, size: int, of: int | None = None) -> bytes:
    """Brings bytes of the packet to the stack. of: the register with the place that `offset` is counted from."""
    begin = instruction(0xB7, to=2) if of is None else instruction(0xBF, to=2, source=of)
    return b"".join(
        (
            begin,
            instruction(0x07, to=2, value=offset),
            instruction(0xBF, to=1, source=6),
            instruction(0xBF, to=3, source=10),
            instruction(0x07, to=3, value=_PACKET),
            instruction(0xB7, to=4, value=size),
            instruction(0x85, value=_LOAD),
        )
    )


def _address(to: int, offset: int) -> tuple[bytes, bytes]:
    return instruction(0x61, to=to, source=10, offset=_PACKET + offset), instruction(0xDC, to=to, value=32)


def _opening(rule: Opening) -> bytes:
    inside = b"".join(map(_network, rule.networks))
    if rule.protocol != "icmp":
        first, last = rule.ports
        # Judged in a copy that is changed first: otherwise the kernel tells every range of ports from every other when
        # it checks the program, and refuses one of many rules.
        copy = instruction(0xBC, to=2, source=8) + instruction(0x14, to=2, value=first)
        inside = copy + _unless(0x26, 2, last - first, inside)
    return _unless(0x55, 9, _PROTOCOLS[rule.protocol], inside)


def _network(network: ipaddress.IPv4Network) -> bytes:
    masked = instruction(0xBC, to=2, source=7) + instruction(0x54, to=2, value=_number(str(network.netmask)))
    return masked + _unless(0x56, 2, _number(str(network.network_address)), _ADMIT)
