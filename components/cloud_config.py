"""What cloud-init is told: the user data of a Droplet that sets itself up."""

import base64
import gzip
from collections.abc import Mapping
from typing import Any

import yaml

# cloud-init fills these in when the Droplet boots: DigitalOcean tells a Droplet its addresses.
_ADDRESS = "{{{{ ds.meta_data.interfaces.{}[0].ipv4.ip_address }}}}"
ADDRESSES: Mapping[str, str] = {
    "PRIVATE_ADDRESS": _ADDRESS.format("private"),
    "PUBLIC_ADDRESS": _ADDRESS.format("public"),
}


def document(config: Mapping[str, Any]) -> str:
    """The text that cloud-init reads."""
    return "## template: jinja\n#cloud-config\n" + yaml.safe_dump(config, sort_keys=False, width=10_000)


def variables(values: Mapping[str, str]) -> str:
    """Values as a shell reads them."""
    return "".join(f"{name}='{value}'\n" for name, value in values.items())


def secret(path: str, text: str) -> dict[str, str]:
    """A file of root's alone, in which cloud-init fills in what it knows."""
    return {"path": path, "permissions": "0600", "content": text}


def file(path: str, text: str, mode: str) -> dict[str, str]:
    """A file as it stands: encoded, so that neither cloud-init's templates nor YAML read anything into it."""
    return {
        "path": path,
        "permissions": mode,
        "encoding": "b64",
        "content": base64.b64encode(text.encode()).decode(),
    }


def packed(path: str, text: str, mode: str) -> dict[str, str]:
    """The same in less room: user data is 64 KiB at most."""
    content = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return {**file(path, "", mode), "encoding": "gz+b64", "content": content}
