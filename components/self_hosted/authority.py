"""The certificate authority of one self-hosted server."""

import pulumi
from pulumi import dynamic

from trellis.providers.authority import AuthorityProvider

# States of before hold the provider by this module and this name, and load it from here to refresh and to destroy.
_AuthorityProvider = AuthorityProvider


class Authority(dynamic.Resource, module="server", name="Authority"):
    """Creates a certificate authority that signs for one server only, and after years a second one beside it.

    certificate: PEM, of each, public. key: PEM, of each, a secret.
    """

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            AuthorityProvider(),
            name,
            {"provider_version": AuthorityProvider.version, "name": name, "certificate": None, "key": None},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["key"])),
        )
