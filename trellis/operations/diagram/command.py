"""What the arguments ask for, and where the drawing goes. Files are read, nothing else: no engine, no cloud."""

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trellis import settings
from trellis.operations.diagram.drawing import as_mermaid
from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.project import project
from trellis.operations.terminal import say
from trellis.settings.source import read

_NAMESPACE = "trellis"


def run(options: Namespace) -> int:
    """Draws the system. Raises OperationError for a file that cannot be read, is wrong or cannot be written."""
    if options.system and options.config_file:
        raise WrongCall("--config-file belongs to a stack, and --system draws a system file without one.")
    root, config = _of_system(options.system) if options.system else _of_stack(options.stack, options.config_file)
    if options.phase:
        config = {**config, f"{_NAMESPACE}:phase": options.phase}
    try:
        drawn = as_mermaid(settings.load(config, root, stack=options.stack))
    except settings.SettingsError as error:
        raise OperationError(str(error)) from None
    if options.output is None:
        say(drawn.rstrip("\n"))
        return 0
    try:
        options.output.write_text(drawn)
    except OSError as error:
        raise OperationError(f"--output {options.output}: {error.strerror}.") from None
    return 0


def _of_system(file: Path) -> tuple[Path, Mapping[str, str]]:
    file = file.resolve()
    if not file.is_file() or file.suffix != ".yaml" or file.parent.name != "systems":
        raise WrongCall(
            f"--system {file}: no system file. One is systems/<name>.yaml, with migrations/ beside systems/."
        )
    # Who is told of alerts is a stack's matter.
    return file.parent.parent, {f"{_NAMESPACE}:system": file.stem, f"{_NAMESPACE}:environment": "development"}


def _of_stack(stack: str, config_file: Path | None) -> tuple[Path, Mapping[str, str]]:
    """The stack's config as Pulumi hands it over, the project's defaults included."""
    root = project()
    file = config_file or root / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise OperationError(f"There is no {file}. Name another stack, or a system file with --system.")
    about = _read(root / "Pulumi.yaml")
    name = str(about.get("name"))
    declared = about.get("config") or {}
    defaults = {
        key if ":" in key else f"{name}:{key}": entry.get("value", entry.get("default"))
        for key, entry in declared.items()
        if isinstance(entry, Mapping)
    }
    values = {**defaults, **(_read(file).get("config") or {})}
    return root, {key: _text(value) for key, value in values.items() if value is not None}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return dict(read(file, name=str(file)).data)
    except settings.SettingsError as error:
        raise OperationError(str(error)) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
