"""The errors of this package."""


class OperationError(Exception):
    """A command that cannot go on. The text says what is wrong, what state things are in and what to do."""


class WrongCall(OperationError):
    """Arguments that do not fit together. The text says which, and what is allowed."""
