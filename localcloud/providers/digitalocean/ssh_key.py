"""Public SSH keys."""

from __future__ import annotations

from localcloud.providers.schema import Mode, ResourceType, text

SSH_KEY = ResourceType(
    token="digitalocean:index/sshKey:SshKey",  # noqa: S106
    noun="SSH key",
    collection="/v2/account/keys",
    root="ssh_key",
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        text("publicKey", Mode.REQUIRED, replace=True, same=lambda old, new: old.strip() == new.strip()),
        text("fingerprint", Mode.COMPUTED),
    ),
    update=lambda context, plan: (
        context.api.call("PUT", f"/v2/account/keys/{plan.id}", {"name": plan.get("name")}) if plan.changes else None
    ),
)
