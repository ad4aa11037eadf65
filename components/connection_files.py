"""Connection strings and CA certificates as files of the machine that runs Pulumi."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic


class _FileProvider(dynamic.ResourceProvider):
    """Keeps one file with mode 600. The state holds a fingerprint of what is in it, and the text encrypted.

    Pulumi pickles this class into the stack's state, so it imports inside its methods.
    """

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        from components.fingerprint import fingerprint

        # In a preview the text may be unknown yet, and is no text then.
        wanted = {"path": _news["path"], "fingerprint": fingerprint(str(_news.get("text", "")))}
        return dynamic.DiffResult(changes=any(_olds.get(name) != value for name, value in wanted.items()))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        from pathlib import Path

        path, text = Path(props["path"]), props["text"].encode()
        if path.exists() and path.read_bytes() != text:
            raise RuntimeError(f"{path}: this file was there before. It was left as it is; move it away and run again.")
        return dynamic.CreateResult(props["path"], self._written(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        from pathlib import Path

        written = self._written(_news)
        if _olds["path"] != _news["path"]:
            Path(_olds["path"]).unlink(missing_ok=True)
        return dynamic.UpdateResult(written)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        from pathlib import Path

        from components.fingerprint import fingerprint

        path = Path(props["path"])
        # Whatever bytes somebody put there, the answer is that they differ.
        found = fingerprint(path.read_bytes().decode(errors="replace")) if path.is_file() else ""
        return dynamic.ReadResult(id_, {**props, "fingerprint": found})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        from pathlib import Path

        Path(_props["path"]).unlink(missing_ok=True)

    def _written(self, props: dict[str, Any]) -> dict[str, Any]:
        import os
        from pathlib import Path

        from components.fingerprint import fingerprint

        path, text = Path(props["path"]), props["text"].encode()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
        unfinished.replace(path)
        return {"path": props["path"], "fingerprint": fingerprint(props["text"])}


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
                _FileProvider(),
                f"{name}-{below.replace('/', '-')}",
                {"path": str(args.folder / below), "text": pulumi.Output.secret(text), "fingerprint": None},
                pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
