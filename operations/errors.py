"""The one error of this package."""


class OperationError(Exception):
    """A command that cannot go on. The text says what is wrong, what state things are in and what to do."""
