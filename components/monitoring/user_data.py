"""The cloud-init file of a machine that watches a stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from trellis.monitoring import alertmanager, prometheus
from trellis.monitoring.exporter import INTERVAL, Place
from trellis.monitoring.watched import Watched
from trellis.server.certificates import AUTHORITY_LIFE, Authorities

from ..cloud_config import ADDRESSES, document, file, packed, secret, variables
from ..self_hosted import user_data as server

FILES = Path(__file__).resolve().parent / "files"

_UNITS = (
    "trellis-prepare.service",
    "prometheus.service.d/trellis.conf",
    "prometheus-alertmanager.service.d/trellis.conf",
    "prometheus-sql-exporter.service.d/trellis.conf",
)


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """What a machine must know.

    places: where it asks. uris: cluster -> kind and key of a place -> the URI that leads there, with its password.
    cluster_authorities: cluster -> PEM. password, hash: of who may look, as a text and by bcrypt. authorities: the
    first signs a certificate for the machine's addresses.
    """

    watched: Watched
    places: Sequence[Place]
    uris: Mapping[str, Mapping[str, Mapping[str, str]]] = field(repr=False)
    cluster_authorities: Mapping[str, str]
    password: str = field(repr=False)
    hash: str = field(repr=False)
    authorities: Authorities = field(repr=False)


def user_data(facts: MachineFacts) -> str:
    """The text that cloud-init reads."""
    watched, told = facts.watched, facts.watched.settings.monitoring
    if told is None:
        raise ValueError("these settings ask for no machine")
    ways = alertmanager.Ways(
        smtp=told.smtp,
        sender=told.from_ or "",
        user=told.user,
        # Debian 12's Alertmanager reads no address of a webhook from a file of its own, so the whole file is secret.
        password={"smtp_auth_password": told.password} if told.password else {},
        webhook={"url": told.webhook} if told.webhook else {},
    )
    web = {
        "tls_server_config": {"cert_file": "server.crt", "key_file": "prometheus.key", "min_version": "TLS12"},
        "basic_auth_users": {prometheus.LOGIN: facts.hash},
    }
    asked = [place.to_dict(facts.uris[place.cluster][place.kind][place.key]) for place in facts.places]
    hidden = {
        "alertmanager.yml": _yaml(alertmanager.configuration(watched.settings, ways)),
        "sql-exporter.yml": _yaml({"jobs": asked}),
        "web.yml": _yaml(web),
        "secrets/web": facts.password,
    }
    shown = {
        "prometheus.yml": _yaml(prometheus.of_a_machine(watched, INTERVAL // 2)),
        "rules.yml": _yaml(prometheus.rules(watched, facts.places)),
        **{f"{cluster}.crt": text for cluster, text in facts.cluster_authorities.items()},
    }
    return document(
        {
            "ssh_pwauth": False,
            "write_files": [
                secret(
                    "/etc/trellis/server.env", variables({**ADDRESSES, "CERTIFICATE_DAYS": str(AUTHORITY_LIFE.days)})
                ),
                secret("/etc/trellis/ca.crt", facts.authorities.certificates),
                secret("/etc/trellis/ca.key", facts.authorities.keys),
                *(packed(f"/etc/trellis/{name}", text, "0600") for name, text in hidden.items()),
                *(packed(f"/etc/trellis/{name}", text, "0644") for name, text in shown.items()),
                file("/usr/local/lib/trellis-certificate.sh", server.read("certificate.sh"), "0644"),
                file("/usr/local/sbin/trellis-metadata", server.read("metadata.sh"), "0755"),
                file("/usr/local/sbin/trellis-prepare", (FILES / "prepare.sh").read_text(), "0755"),
                file("/etc/systemd/system/trellis-metadata.service", server.read("trellis-metadata.service"), "0644"),
                *(file(f"/etc/systemd/system/{unit}", (FILES / unit).read_text(), "0644") for unit in _UNITS),
            ],
            "runcmd": [
                ["systemctl", "daemon-reload"],
                ["systemctl", "enable", "--now", "trellis-metadata.service"],
                ["systemctl", "enable", "--now", "--no-block", "trellis-prepare.service"],
            ],
        }
    )


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=10_000)
