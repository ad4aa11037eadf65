"""What a server's error leaves unsaid: that the file's transaction is what is in the way, or that it ended there."""

from trellis.migrator.errors import MigrationError, ServerError

# What PostgreSQL refuses only because the file is a transaction: SQLSTATE -> a part of its message.
_WITHOUT_TRANSACTION = {
    "55P04": "unsafe use of new value",
    "2D000": "invalid transaction termination",
    "25001": "inside a transaction block",
}


def refuses_transaction(error: ServerError) -> bool:
    """Whether the server refuses the statement only because it is in a transaction."""
    return _WITHOUT_TRANSACTION.get(error.sqlstate or "", "\0") in error.message


def add_advice(failure: MigrationError, error: ServerError, script: str) -> None:
    """Say how a file is run without a transaction where that would help. script: its name."""
    if refuses_transaction(error):
        advice = (
            "It can only run without a transaction around the file: write -- trellis: no-transaction above the first"
            f" statement, or executeInTransaction=false into {script}.conf where its text must stay."
        )
        failure.hint = f"{failure.hint} {advice}" if failure.hint else advice


def at_commit(error: ServerError) -> None:
    """Say that it was the COMMIT that failed."""
    error.message = f"At COMMIT, where what is deferred is checked: {error.message}"
