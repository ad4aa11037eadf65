"""Connection strings and CA certificates as files of the machine that runs Pulumi."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi import dynamic

from trellis.providers.files import FileProvider

# States of before hold the provider by this module and this name, and load it from here to refresh and to destroy.
_FileProvider = FileProvider


class _File(dynamic.Resource, module="files", name="ConnectionFile"):
    """One file."""


@dataclass(frozen=True, kw_only=True)
class ConnectionFilesArgs:
    """folder: where the files go. texts: path below it -> what the file holds."""

    folder: Path
    texts: Mapping[str, pulumi.Input[str]]


class ConnectionFiles(pulumi.ComponentResource):
    """Writes files that only their owner can read. A file deleted by hand comes back after a refresh."""

    def __init__(self, name: str, args: ConnectionFilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:files:ConnectionFiles", name, None, opts)
        for below, text in args.texts.items():
            _File(
                FileProvider(),
                f"{name}-{below.replace('/', '-')}",
                {
                    "provider_version": FileProvider.version,
                    "path": str(args.folder / below),
                    "text": pulumi.Output.secret(text),
                    "fingerprint": None,
                },
                pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"paths": [str(args.folder / below) for below in args.texts]})
