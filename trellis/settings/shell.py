"""Which cloud a shell belongs to."""

from collections.abc import Mapping

from trellis.settings.errors import SettingsError

LOCAL_CLOUD = "TRELLIS_LOCAL_CLOUD"
"""The variable by which a shell is known to be the local cloud's: its token is no other's, its passphrase public."""


def refuse_local_shell(config: Mapping[str, str], environment: Mapping[str, str], *, stack: str) -> None:
    """Raises SettingsError for a stack of DigitalOcean in a shell of the local cloud.

    config: as for `load`. environment: the variables that the program was started with. There the real cloud would be
    asked with a token that it does not know, and the state would lie in a folder that `make clean` deletes.
    """
    if LOCAL_CLOUD in environment and "digitalocean:apiEndpoint" not in config:
        raise SettingsError(
            f"Pulumi.{stack}.yaml has no digitalocean:apiEndpoint, so this stack is on DigitalOcean; but this shell is "
            "the local cloud's: it has read .trellis/env. Nothing was changed. Take the stack out of the local state "
            f"with `pulumi stack rm {stack}`, then deploy it from a new shell, as README.md says."
        )
