"""The cloud-init file of a self-hosted server."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trellis.server.certificates import LIFE, Authorities

from ..cloud_config import ADDRESSES, document, file, secret, variables

FILES = Path(__file__).resolve().parent / "files"
PORT = 25060
POOL_PORT = 25061

_PROGRAMS = ("metadata", "prepare", "sync", "dump")
_PARTS = ("common.sh", "certificate.sh", "administrator.sql")
_UNITS = (
    "trellis-metadata.service",
    "trellis-prepare.service",
    "trellis-sync.service",
    "trellis-dump.service",
    "trellis-dump.timer",
    "pgbouncer.service.d/trellis.conf",
)
# Who may connect over the Unix socket: the server's own account as administrator, PgBouncer with passwords.
_LOCAL_ACCESS = "local all postgres,doadmin peer map=server\nlocal all all scram-sha-256"


@dataclass(frozen=True, kw_only=True)
class Dumps:
    """Where the nightly dumps go and when. hour: UTC, as "02:00". The key may write to that bucket only."""

    bucket: str
    endpoint: str
    access_key: str
    secret_key: str
    hour: str


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a server must know to start. What changes later stands in its own database, not here.

    sources: IPv4 ranges that the administrator may connect from until the server is told its trusted sources.
    admin_verifier: SCRAM-SHA-256 verifier of the administrator's password; the password itself never comes here.
    authorities: the first signs a certificate for the server's addresses, and one of any opens the way to its tables.
    """

    version: str
    volume: str
    sources: Sequence[str]
    admin_verifier: str
    authorities: Authorities
    dumps: Dumps


def user_data(facts: ServerFacts) -> str:
    """The text that cloud-init reads."""
    server = {
        "PG_MAJOR": facts.version,
        "PORT": str(PORT),
        "POOL_PORT": str(POOL_PORT),
        "VOLUME_DEVICE": f"/dev/disk/by-id/scsi-0DO_Volume_{facts.volume}",
        **ADDRESSES,
        "ADMIN_VERIFIER": facts.admin_verifier,
        "LOCAL_ACCESS": _LOCAL_ACCESS,
        "SOURCES": " ".join(facts.sources),
        "CERTIFICATE_DAYS": str(LIFE.days),
        "DUMP_BUCKET": facts.dumps.bucket,
    }
    spaces = {
        "RCLONE_CONFIG_SPACES_TYPE": "s3",
        # "DigitalOcean" would make rclone put the bucket into the host's name, whatever is asked for.
        "RCLONE_CONFIG_SPACES_PROVIDER": "Other",
        "RCLONE_CONFIG_SPACES_ENDPOINT": facts.dumps.endpoint,
        "RCLONE_CONFIG_SPACES_ACCESS_KEY_ID": facts.dumps.access_key,
        "RCLONE_CONFIG_SPACES_SECRET_ACCESS_KEY": facts.dumps.secret_key,
        "RCLONE_CONFIG_SPACES_FORCE_PATH_STYLE": "true",
        "RCLONE_CONFIG_SPACES_NO_CHECK_BUCKET": "true",
    }
    config: dict[str, Any] = {
        "ssh_pwauth": False,
        "write_files": [
            secret("/etc/trellis/server.env", variables(server)),
            secret("/etc/trellis/spaces.env", variables(spaces)),
            secret("/etc/trellis/ca.crt", facts.authorities.certificates),
            secret("/etc/trellis/ca.key", facts.authorities.keys),
            *(file(f"/usr/local/lib/trellis-{name}", read(name), "0644") for name in _PARTS),
            *(file(f"/usr/local/sbin/trellis-{name}", read(f"{name}.sh"), "0755") for name in _PROGRAMS),
            *(
                file(f"/etc/systemd/system/{unit}", read(unit).replace("{hour}", facts.dumps.hour), "0644")
                for unit in _UNITS
            ),
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "trellis-metadata.service"],
            # One command, because cloud-init goes on after one that fails.
            "trellis-prepare && systemctl enable trellis-prepare.service"
            " && systemctl enable --now trellis-sync.service trellis-dump.timer",
        ],
    }
    return document(config)


def read(name: str) -> str:
    """A file that a Droplet is given."""
    return (FILES / name).read_text()
