"""Reading a resource's properties when some of them are not known yet."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy


class _Unknown:
    """A value that only `up` will know. False, so that a condition on it does not hold."""

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = _Unknown()


def of_inputs(inputs: Mapping[str, Any]) -> "Fields":
    """A resource's inputs as the engine's events carry them."""
    return Fields(unknown_checking_proxy(dict(inputs)))


class Fields:
    """An object of properties. Reading a value that is not known notes its path instead of raising.

    The SDK turns a policy that meets an unknown value into advice and drops what it had found; here the policy goes on
    with the other values, and the pack tells which of them wait for `up`.
    """

    def __init__(self, properties: Mapping[str, Any], *, at: str = "", waiting: list[str] | None = None) -> None:
        self._properties = properties
        self._at = at
        self.waiting: list[str] = [] if waiting is None else waiting

    def get(self, key: str) -> Any:
        """The value, None where there is none, UNKNOWN (and noted) where only `up` knows it."""
        value = self.peek(key)
        if value is UNKNOWN:
            self.waiting.append(self.path(key))
        return value

    def peek(self, key: str) -> Any:
        """The same, unnoted: for a rule that has another way to tell."""
        try:
            return self._properties[key]
        except KeyError:
            return None
        except UnknownValueError:
            return UNKNOWN

    def has(self, key: str) -> bool:
        """Whether anything is set, known or not. Nothing is in an empty text or list."""
        value = self.peek(key)
        return value is UNKNOWN or (value not in (None, "") and not (_is_list(value) and not len(value)))

    def object(self, key: str) -> "Fields":
        """The object under a key; an empty one where there is none."""
        value = self.get(key)
        return Fields(value if isinstance(value, Mapping) else {}, at=self.path(key), waiting=self.waiting)

    def objects(self, key: str) -> Iterator["Fields"]:
        """Every object of a list."""
        for at, value in self._elements(key):
            if isinstance(value, Mapping):
                yield Fields(value, at=at, waiting=self.waiting)

    def values(self, key: str) -> list[Any]:
        """Every known value of a list."""
        return [value for _, value in self._elements(key)]

    def path(self, key: str) -> str:
        """Where a key is, for messages: `spec.services[0].envs[2].value`."""
        return f"{self._at}.{key}" if self._at else key

    def _elements(self, key: str) -> Iterator[tuple[str, Any]]:
        elements = self.get(key)
        if not _is_list(elements):
            return
        for index in range(len(elements)):
            at = f"{self.path(key)}[{index}]"
            try:
                yield at, elements[index]
            except UnknownValueError:
                self.waiting.append(at)


def _is_list(value: Any) -> bool:
    # The SDK's lists are sequences, not lists.
    return isinstance(value, Sequence) and not isinstance(value, str)
