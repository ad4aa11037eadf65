"""The schema of a database: the provider behind `Migrations`."""

from typing import Any

from pulumi import dynamic

from trellis.providers.base import Provider


class MigrationsProvider(Provider):
    """Hands the resource's inputs over to the migrator. Outputs are facts about the schema, never a way to reach it.

    A role that is dropped and made anew has lost its grants, and the history still says that they were given. So
    another login (`logins`: a fingerprint a role) repeats the repeatables, and so does a resource that is made anew.
    The reviewer (`review_login`: likewise) is let in after every run.
    """

    version = "4"
    compared = ("files", "placeholders", "target", "logins", "reviewer", "review_login")

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(
            f"{props['cluster']}/{props['database']}", self._migrate(props, repeat=bool(props["logins"]))
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(self._migrate(_news, repeat=self._other_logins(_olds, _news)))

    def _other_logins(self, olds: dict[str, Any], news: dict[str, Any]) -> bool:
        # A state of before knows of no logins; its roles have their grants.
        known = olds.get("logins")
        return known is not None and any(known.get(role) != login for role, login in news["logins"].items())

    def _migrate(self, props: dict[str, Any], *, repeat: bool) -> dict[str, Any]:
        import sys
        from pathlib import Path
        from tempfile import TemporaryDirectory

        from trellis.migrator import MigrationError, Options, Target, admit, migrate
        from trellis.server.scram import verifier

        with TemporaryDirectory() as folder:
            authority = Path(folder, "ca.crt")
            authority.write_text(props["ca_certificate"])
            target = Target(
                {
                    "host": props["host"],
                    "port": int(props["port"]),
                    "user": props["user"],
                    "password": props["password"],
                    "dbname": props["database"],
                    "sslmode": props["sslmode"],
                    "sslrootcert": str(authority),
                    "connect_timeout": 15,
                },
                table=props["table"],
            ).beside(Path(props["folder"]))
            try:
                options = Options(baseline_version=props["baseline_version"] or None, repeat=repeat)
                report = migrate(target, Path(props["folder"]), props["placeholders"], options).to_dict()
            except MigrationError as error:
                # The message is for the person at the keyboard; the frames above it are not.
                sys.tracebacklimit = 0
                raise RuntimeError(str(error)) from None
            if reviewer := props.get("reviewer"):
                password = props.get("review_password")
                try:
                    admit(target, reviewer, verifier(reviewer, password) if password else None)
                except MigrationError as error:
                    # The schema is there all the same.
                    report["warnings"].append(f"{reviewer} cannot review: {error}")
        return {**self.facts(props), "report": report}
