"""A file of the machine that runs Pulumi: the provider behind `ConnectionFiles`."""

from typing import Any

from pulumi import dynamic

from trellis.providers.base import Provider


class FileProvider(Provider):
    """Keeps one file with mode 600. The state holds a fingerprint of what is in it, and the text encrypted."""

    version = "1"
    compared = ("path",)

    def facts(self, props: dict[str, Any]) -> dict[str, Any]:
        """The path, and a fingerprint of the text."""
        from trellis.fingerprint import fingerprint

        # In a preview the text may be unknown yet, and is no text then.
        return {**super().facts(props), "fingerprint": fingerprint(str(props.get("text", "")))}

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

        from trellis.fingerprint import fingerprint

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

        path, text = Path(props["path"]), props["text"].encode()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
        unfinished.replace(path)
        return self.facts(props)
