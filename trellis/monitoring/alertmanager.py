"""Who is told, and how: Alertmanager's file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trellis.monitoring.watched import addresses, own, values
from trellis.settings.duties import ON_CALL

if TYPE_CHECKING:
    from trellis.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How people are told, in Alertmanager's own keys. smtp: HOST:PORT, empty for no mails.

    password: of the mail server, where `user` is not empty. webhook: where it is; empty for none.
    """

    smtp: str
    sender: str
    user: str
    password: Mapping[str, str] = field(repr=False)
    webhook: Mapping[str, str] = field(repr=False)


def configuration(settings: "Settings", ways: Ways) -> dict[str, Any]:
    """alertmanager.yml. Its paths are relative to the folder that Alertmanager is started in."""
    mine = own(settings)
    mail = {
        "smtp_smarthost": ways.smtp,
        "smtp_from": ways.sender,
        # A mail server of this machine has no certificate as a rule.
        "smtp_require_tls": ways.smtp.rpartition(":")[0] not in _LOOPBACK,
        **values(smtp_auth_username=ways.user),
        **ways.password,
    }
    return {
        "global": mail if ways.smtp else {},
        "route": {
            "receiver": ON_CALL,
            "group_by": ["stack", "alertname", "finding"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [
                {"receiver": role, "matchers": [f"{name}={_quoted(value)}" for name, value in labels.items()]}
                for role, each in mine.items()
                for labels in each
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity="warning"'],
                "equal": ["stack", "alertname", "finding", "where", "cluster"],
            }
        ],
        "receivers": [_receiver(role, told, ways) for role, told in _told(settings, mine).items()],
    }


def _told(settings: "Settings", mine: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    known = addresses(settings)
    return {role: known[role] for role in (ON_CALL, *mine)}


def _receiver(role: str, told: tuple[str, ...], ways: Ways) -> dict[str, Any]:
    mails = [{"to": ", ".join(told), "send_resolved": True}] if ways.smtp and told else []
    hooks = [{**ways.webhook, "send_resolved": True}] if ways.webhook else []
    return {"name": role, **values(email_configs=mails, webhook_configs=hooks)}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
