"""The subcommand `check`: migrations reviewed before they run. Nothing is run."""

from operations.check.command import run

__all__ = ["run"]
