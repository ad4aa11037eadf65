"""What can go wrong with a cluster's servers, in the words of the person who must act."""


class ServerError(Exception):
    """Base of every error this package raises on purpose. The message is complete: what, where, state, what to do."""


class ToolMissing(ServerError):
    """A program that is needed is not installed where it was looked for."""


class FolderUnusable(ServerError):
    """A folder cannot be used by the account the servers run as."""


class StartFailed(ServerError):
    """A server did not come up. The message ends with the last lines of its log."""


class PortTaken(StartFailed):
    """A port that belongs to a cluster is in use by a process that is not one of its servers."""


class UpgradeFailed(ServerError):
    """A cluster could not be brought to a newer version. It runs as before."""


class NotRunning(ServerError):
    """The operation needs the cluster's server, and it is stopped or does not answer."""


class AlreadyExists(ServerError):
    """A database, user, replica or cluster of that name exists."""


class NotFound(ServerError):
    """No database, user, replica or cluster of that name exists."""


class InvalidRequest(ServerError):
    """The server cannot do what was asked: a reserved or malformed name, an address that is not one."""
