"""A role's second login: the provider behind `Membership`."""

from typing import Any

from trellis.providers.base import Provider


class MembershipProvider(Provider):
    """Lets a login act as a role: by membership, and as that role from the first statement on.

    It has the role's settings too, which migrations may change: so it is done again after those have run (`schemas`: a
    time each), and when one of the two is made anew (`logins`: a fingerprint each). A delete leaves it as it is: the
    login goes itself.
    """

    version = "1"
    compared = ("target", "role", "login", "logins", "schemas")

    def create(self, props: dict[str, Any]) -> Any:
        from pulumi.dynamic import CreateResult

        return CreateResult(f"{props['role']}/{props['login']}", self._joined(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> Any:
        from pulumi.dynamic import UpdateResult

        return UpdateResult(self._joined(_news))

    def _joined(self, props: dict[str, Any]) -> dict[str, Any]:
        import sys

        from trellis.migrator import MigrationError, join
        from trellis.providers.base import reached

        try:
            with reached(props) as target:
                join(target, props["role"], props["login"])
        except MigrationError as error:
            # The message is for the person at the keyboard; the frames above it are not.
            sys.tracebacklimit = 0
            raise RuntimeError(str(error)) from None
        return self.facts(props)
