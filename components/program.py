"""The whole program of a repository: from its files to a system's outputs."""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG

from trellis import connect, settings
from trellis.migrator import MigrationError
from trellis.startup import collect_nothing


def _today() -> str:
    # Another cloud than DigitalOcean has days of its own; a test says which one it is.
    elsewhere = "digitalocean:apiEndpoint" in CONFIG.get() or "DIGITALOCEAN_API_URL" in os.environ
    return os.environ.get("TRELLIS_TODAY") or ("" if elsewhere else datetime.now(UTC).date().isoformat())


def deploy(root: Path) -> None:
    """Builds the system that the stack's config names, at the phase it names, and exports its outputs.

    root: the folder that holds systems/ and migrations/. Raises pulumi.RunError with a plain text for a mistake in it.
    """
    collect_nothing()
    from .system import System, SystemArgs

    # The engine interrupts the program when a deployment fails. Its own error says why; a traceback would not.
    sys.excepthook = lambda kind, *rest: None if kind is KeyboardInterrupt else sys.__excepthook__(kind, *rest)
    sys.unraisablehook = lambda found: None if found.exc_type is KeyboardInterrupt else sys.__unraisablehook__(found)
    stack = pulumi.get_stack()
    try:
        settings.refuse_local_shell(CONFIG.get(), os.environ, stack=stack)
        chosen = settings.load(CONFIG.get(), root, stack=stack)
        system = System(chosen.system, SystemArgs(settings=chosen, root=root, stack=stack, today=_today()))
    except (settings.SettingsError, MigrationError) as error:
        raise pulumi.RunError(str(error)) from None
    pulumi.run(lambda: _settled(system.outputs, stack))


async def _settled(outputs: Mapping[str, pulumi.Input[Any]], stack: str) -> Mapping[str, pulumi.Input[Any]]:
    """The stack's outputs, once they are known: they come last. The files for psql are written from them.

    The SDK waits for every value of a program by looking at all of them again whenever one is known, so its time grows
    with the square of their number. After this there are few to wait for.
    """
    values = [pulumi.Output.from_input(value).future() for value in outputs.values()]
    # What fails is told by the SDK, of the value that failed.
    known = await asyncio.gather(*values, return_exceptions=True)
    folder = None if pulumi.runtime.is_dry_run() else os.environ.get(connect.FOLDER)
    if folder and not any(value is None or isinstance(value, BaseException) for value in known):
        try:
            connect.write(Path(folder, stack), dict(zip(outputs, known, strict=True)))
        except OSError as error:
            raise pulumi.RunError(
                f"{connect.FOLDER} names {folder}, which cannot be written: {error.strerror}."
            ) from None
    return outputs
