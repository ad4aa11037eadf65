"""Bodies that come in chunks of `aws-chunked` encoding, each signed or not, with checksums after the last one."""

import hashlib
from collections.abc import Callable, Iterator

from localcloud.spaces.errors import S3Error
from localcloud.spaces.signature import ALGORITHM, EMPTY_HASH, Signature, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MODES = (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER)

_LONGEST_LINE = 8192


class ChunkSigner:
    """The chain of signatures: each covers the one before it."""

    def __init__(self, signature: Signature, secret: str) -> None:
        self._signature = signature
        self._secret = secret
        self._last = signature.value

    def check(self, given: str, digest: str) -> None:
        """Raises SignatureDoesNotMatch where a chunk of this SHA-256 is not signed with `given`."""
        self._check(given, "PAYLOAD", EMPTY_HASH, digest)

    def check_trailer(self, given: str, trailer: str) -> None:
        """Raises SignatureDoesNotMatch where the lines after the last chunk are not signed with `given`."""
        self._check(given, "TRAILER", hashlib.sha256(trailer.encode()).hexdigest())

    def _check(self, given: str, kind: str, *hashes: str) -> None:
        signature = self._signature
        value = sign(
            self._secret, signature.timestamp, signature.scope, self._last, *hashes, algorithm=f"{ALGORITHM}-{kind}"
        )
        if value != given:
            raise S3Error("SignatureDoesNotMatch", "A chunk of the body is not signed as its content demands.")
        self._last = value


class ChunkDecoder:
    """Takes the chunks apart as bytes come in; holds no more than one line and what was just fed.

    signer: None where chunks are not signed. trailer: the checksums that came after the last chunk.
    """

    def __init__(self, signer: ChunkSigner | None) -> None:
        self.trailer: dict[str, str] = {}
        self._signer = signer
        self._buffer = b""
        self._left = 0
        self._hash = hashlib.sha256()
        self._chunk_signature = ""
        self._step: Callable[[], Iterator[bytes] | None] = self._header
        self._signed_lines = ""
        self.finished = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The content in `data` and what was left of earlier ones. Raises SignatureDoesNotMatch, IncompleteBody."""
        self._buffer += data
        while not self.finished:
            content = self._step()
            if content is None:
                return
            yield from content

    def _header(self) -> Iterator[bytes] | None:
        line = self._line()
        if line is None:
            return None
        size, _, extension = line.partition(";")
        try:
            self._left = int(size, 16)
        except ValueError:
            raise S3Error("IncompleteBody", f"{size[:20]!r} is no size of a chunk.") from None
        self._chunk_signature = extension.removeprefix("chunk-signature=")
        self._hash = hashlib.sha256()
        if self._left:
            self._step = self._content
        else:
            self._check_chunk()
            self._step = self._trailer
        return iter(())

    def _content(self) -> Iterator[bytes] | None:
        if self._left:
            if not self._buffer:
                return None
            content, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(content)
            self._hash.update(content)
            return iter((content,))
        if self._line() is None:
            return None
        self._check_chunk()
        self._step = self._header
        return iter(())

    def _trailer(self) -> Iterator[bytes] | None:
        line = self._line()
        if line is None:
            return None
        name, _, value = line.partition(":")
        if name.lower() == "x-amz-trailer-signature":
            if self._signer is not None:
                self._signer.check_trailer(value.strip(), self._signed_lines)
                self._signed_lines = ""
        elif line:
            self.trailer[name.strip().lower()] = value.strip()
            self._signed_lines += f"{name.strip().lower()}:{value.strip()}\n"
        elif self._signed_lines and self._signer is not None:
            raise S3Error("SignatureDoesNotMatch", "The lines after the last chunk are not signed.")
        else:
            self.finished = True
        return iter(())

    def _check_chunk(self) -> None:
        if self._signer is not None:
            self._signer.check(self._chunk_signature, self._hash.hexdigest())

    def _line(self) -> str | None:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            if len(line) > _LONGEST_LINE:
                raise S3Error("IncompleteBody", "The body is not in chunks, though its headers say so.")
            return None
        self._buffer = rest
        return line.decode("latin-1")
