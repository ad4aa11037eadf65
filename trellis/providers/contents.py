"""What a self-hosted server holds: the provider behind `Contents`."""

from typing import Any

from pulumi import dynamic

from trellis.providers.base import Provider


class ContentsProvider(Provider):
    """Hands the resource's inputs over to `arrange`. Outputs are facts and fingerprints, never a password."""

    version = "4"
    compared = ("server", "machine", "databases", "pools", "logins", "sources", "sizes")

    def facts(self, props: dict[str, Any]) -> dict[str, Any]:
        """The named inputs, and a fingerprint of each user's password."""
        from trellis.fingerprint import fingerprint

        users = {user: fingerprint(password) for user, password in props["passwords"].items()}
        return {**super().facts(props), "users": users}

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        from datetime import UTC, datetime

        # Of a server that was built before, none is known.
        due = _olds.get("renewal") and datetime.now(UTC) >= datetime.fromisoformat(_olds["renewal"])
        return dynamic.DiffResult(changes=bool(due) or super().diff(_id, _olds, _news).changes)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["server"], self._arrange(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(self._arrange(_news))

    def _arrange(self, props: dict[str, Any]) -> dict[str, Any]:
        import sys

        from trellis.server.arrangement import ArrangementError, arrange

        try:
            renewal = arrange(props)
        except ArrangementError as error:
            # The message is for the person at the keyboard; the frames above it are not.
            sys.tracebacklimit = 0
            raise RuntimeError(str(error)) from None
        return {**self.facts(props), "renewal": renewal}
