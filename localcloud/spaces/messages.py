"""What a handler of the S3 API gets and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import BinaryIO

from localcloud.spaces.access import Caller
from localcloud.spaces.errors import S3Error
from localcloud.spaces.keys import Keys
from localcloud.spaces.store import Blob, Store, time_of

OWNER = "10ca1c10"
"""The id of the account in answers that name an owner."""


@dataclass(kw_only=True)
class Request:
    """A request that may do what it asks for. headers: by lower-case name. body: of requests that are not streamed.
    blob: the content of those that are; whoever gives it a name in the index takes it."""

    store: Store
    keys: Keys
    caller: Caller
    region: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    blob: Blob | None = None

    @property
    def version(self) -> str | None:
        """The version that is asked for, None for the latest."""
        return self.query.get("versionId") or None

    def content(self) -> Blob:
        """The streamed content, taken over. Raises MissingContentLength."""
        if self.blob is None:
            raise S3Error("MissingContentLength", "The request has no content.")
        blob, self.blob = self.blob, None
        return blob

    def number(self, name: str, default: int, most: int) -> int:
        """A number in the query, at most `most`. Raises InvalidArgument."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not text.isdigit():
            raise S3Error("InvalidArgument", f"{name} must be a number from 0 to {most}, not {text!r}.")
        return min(int(text), most)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. file: content to send instead of a body, from where it stands, `length` bytes of it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    file: BinaryIO | None = None
    length: int = 0


def http_date(moment: str) -> str:
    """A time as HTTP's headers have it."""
    return format_datetime(time_of(moment), usegmt=True)
