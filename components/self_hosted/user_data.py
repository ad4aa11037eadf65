"""The cloud-init file of a self-hosted server."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trellis.server.certificates import LIFE, Authorities

FILES = Path(__file__).resolve().parent / "files"
PORT = 25060
POOL_PORT = 25061

# cloud-init fills these in when the Droplet boots: DigitalOcean tells a Droplet its addresses.
_ADDRESS = "{{{{ ds.meta_data.interfaces.{}[0].ipv4.ip_address }}}}"

_PROGRAMS = ("metadata", "prepare", "sync", "dump")
_PARTS = ("common.sh", "administrator.sql")
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
        "PRIVATE_ADDRESS": _ADDRESS.format("private"),
        "PUBLIC_ADDRESS": _ADDRESS.format("public"),
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
            _secret("/etc/trellis/server.env", _variables(server)),
            _secret("/etc/trellis/spaces.env", _variables(spaces)),
            _secret("/etc/trellis/ca.crt", facts.authorities.certificates),
            _secret("/etc/trellis/ca.key", facts.authorities.keys),
            *(_file(f"/usr/local/lib/trellis-{name}", _read(name), "0644") for name in _PARTS),
            *(_file(f"/usr/local/sbin/trellis-{name}", _read(f"{name}.sh"), "0755") for name in _PROGRAMS),
            *(
                _file(f"/etc/systemd/system/{unit}", _read(unit).replace("{hour}", facts.dumps.hour), "0644")
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
    return "## template: jinja\n#cloud-config\n" + yaml.safe_dump(config, sort_keys=False, width=10_000)


def _read(name: str) -> str:
    return (FILES / name).read_text()


def _variables(values: Mapping[str, str]) -> str:
    return "".join(f"{name}='{value}'\n" for name, value in values.items())


def _secret(path: str, text: str) -> dict[str, str]:
    return {"path": path, "permissions": "0600", "content": text}


def _file(path: str, text: str, mode: str) -> dict[str, str]:
    # Encoded, so that neither cloud-init's templates nor YAML read anything into a script.
    return {
        "path": path,
        "permissions": mode,
        "encoding": "b64",
        "content": base64.b64encode(text.encode()).decode(),
    }
