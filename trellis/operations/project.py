"""The repository that a command is run in."""

from pathlib import Path

from trellis.operations.errors import OperationError


def project() -> Path:
    """Its folder: the current one or one above it that holds a Pulumi.yaml. Raises OperationError where none does."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise OperationError(f"Neither {here} nor a folder above it holds a Pulumi.yaml. Change to your repository.")
