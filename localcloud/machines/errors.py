"""What can go wrong with machines and volumes, in the words of the person who must act."""

from localcloud.servers.errors import ServerError


class MachineError(ServerError):
    """Base of every error this package raises on purpose."""


class HostUnfit(MachineError):
    """This computer cannot run machines. The text says what is missing."""


class StartFailed(MachineError):
    """A machine did not come up. The text ends with the last lines of its log."""
