"""What every dynamic provider has in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi import dynamic

if TYPE_CHECKING:
    from trellis.migrator import Target


class Provider(dynamic.ResourceProvider):
    """Remembers facts in the stack's state, and updates the resource when one of them is another.

    version: raised when what create or update do changes, so that stacks do it again at their next `up`. A resource is
        given it as its input `provider_version`.
    compared: the inputs that are facts; nothing else is compared and nothing else gets into the outputs.

    An instance has no attributes: they would be stored in the state with it. Methods import what they use, so that
    the process that serves the providers starts fast.
    """

    # There is nothing secret in a name.
    serialize_as_secret_always = False
    version: ClassVar[str]
    compared: ClassVar[tuple[str, ...]] = ()

    def facts(self, props: dict[str, Any]) -> dict[str, Any]:
        """What the outputs keep of the inputs."""
        return {name: props.get(name) for name in (*self.compared, "provider_version")}

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=any(_olds.get(name) != fact for name, fact in self.facts(_news).items()))


@contextmanager
def reached(props: dict[str, Any], **more: str) -> "Iterator[Target]":
    """The way to the database that a resource's inputs name, as its administrator. more: keys of `Target`."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from trellis.migrator import Target

    with TemporaryDirectory() as folder:
        authority = Path(folder, "ca.crt")
        authority.write_text(props["ca_certificate"])
        yield Target(
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
            **more,
        )
