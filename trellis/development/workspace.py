"""Where a repository keeps what `trellis dev` makes, and the environment that Pulumi runs in."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.access import find_token
from localcloud.options import Layout
from localcloud.spaces.addresses import ENDPOINT_TEMPLATE
from localcloud.spaces.keys import FIRST_KEY
from trellis import connect
from trellis.development.bring import Parts
from trellis.development.progress import Failure
from trellis.settings.shell import LOCAL_CLOUD

DEFAULT_PORT = 7080
# The passphrase of stacks on the local cloud. Their state stays on this machine and opens nothing beyond it.
LOCAL_PASSPHRASE = "trellis-local"  # noqa: S105
# What plugins are told while there is no local cloud. The official ones want 40 characters.
TOKEN_TO_COME = "local" * 8


def project() -> Path:
    """The folder of the repository: the current one, or the nearest above it, with a Pulumi.yaml. Raises Failure."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise Failure(f"Neither {here} nor a folder above it holds a Pulumi.yaml. Change to your repository.")


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The folders of one set of stacks, and the port of their local cloud.

    folder: .trellis in the checkout, or a temporary one in tests. Everything below is made on demand.
    """

    folder: Path
    port: int
    parts: Parts
    python: Path

    @property
    def pulumi_home(self) -> Path:
        """Pulumi's plugins and credentials of this checkout, apart from the user's own."""
        return self.folder / "pulumi"

    @property
    def backend(self) -> Path:
        """The stacks' state."""
        return self.folder / "state"

    @property
    def cloud_state(self) -> Path:
        """The local cloud's data.

        Root starts the servers as another account, which cannot enter a closed home folder: then it is outside.
        """
        if os.geteuid() == 0 and not _open_to_others(self.folder):
            key = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
            return Path("/var/lib/trellis") / key
        return self.folder / "localcloud"

    @property
    def connect(self) -> Path:
        """The files that let psql in, in a folder for each stack."""
        return self.folder / "connect"

    @property
    def api(self) -> str:
        """The local cloud's address."""
        return f"http://127.0.0.1:{self.port}"

    def variables(self) -> Mapping[str, str]:
        """What Pulumi, its plugins and the local cloud read from the environment.

        The one credential is the local cloud's own token, which there is after its first start.
        """
        token = find_token(Layout(state=self.cloud_state).token) or TOKEN_TO_COME
        path = [self.python.parent, self.parts.pulumi, *os.environ.get("PATH", "").split(os.pathsep)]
        return {
            "PATH": os.pathsep.join(map(str, path)),
            "PULUMI_HOME": str(self.pulumi_home),
            # Without it Pulumi rewrites a file beside each state in place, and reads no state whose file a kill cut.
            "PULUMI_BACKEND_URL": f"{self.backend.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": LOCAL_PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            LOCAL_CLOUD: self.api,
            connect.FOLDER: str(self.connect),
            "DIGITALOCEAN_TOKEN": token,
            "SPACES_ENDPOINT_URL": ENDPOINT_TEMPLATE,
            "SPACES_ACCESS_KEY_ID": FIRST_KEY,
            "SPACES_SECRET_ACCESS_KEY": token,
            # Plugins name a bucket in the host, and no such name exists but at the local cloud. Upper case alone, which
            # curl and apt do not read: whatever else goes out over plain http is refused there.
            "HTTP_PROXY": self.api,
            # gRPC, with which the program speaks to the engine, reads lower case alone.
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            "CLOUDFLARE_API_TOKEN": token,
            "LOCALCLOUD_STATE": str(self.cloud_state),
            "LOCALCLOUD_PORT": str(self.port),
            "LOCALCLOUD_POSTGRESQL": str(self.parts.postgresql),
            "LOCALCLOUD_PGBOUNCER": str(self.parts.pgbouncer),
            "LOCALCLOUD_VALKEY": str(self.parts.valkey or ""),
            "LOCALCLOUD_DROPLET_IMAGES": str(self.parts.droplet_images or ""),
        }


def _open_to_others(folder: Path) -> bool:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return all(parent.stat().st_mode & 0o001 for parent in (existing, *existing.parents))
