"""The certificate authority of one self-hosted server: the provider behind `Authority`."""

from typing import Any

from pulumi import dynamic

from trellis.providers.base import Provider


class AuthorityProvider(Provider):
    """Makes a key and a certificate, and years later a second pair beside it."""

    version = "1"

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        from datetime import UTC, datetime

        from trellis.server.certificates import Authorities

        # For time alone: servers and clients know what there is.
        return dynamic.DiffResult(changes=Authorities(_olds["certificate"], "").due(datetime.now(UTC)))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        from datetime import UTC, datetime

        from trellis.server.certificates import Authorities

        made = Authorities.first(props["name"], datetime.now(UTC))
        return dynamic.CreateResult(
            props["name"], {**self.facts(props), "certificate": made.certificates, "key": made.keys}
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        from datetime import UTC, datetime

        from trellis.server.certificates import Authorities

        made = Authorities(_olds["certificate"], _olds["key"]).renewed(_news["name"], datetime.now(UTC))
        return dynamic.UpdateResult({**self.facts(_news), "certificate": made.certificates, "key": made.keys})
