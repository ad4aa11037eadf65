"""The body of a request, taken in piece by piece and held against everything the headers say of it."""

import base64
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Protocol

from localcloud.spaces.chunks import MODES, SIGNED, SIGNED_TRAILER, ChunkDecoder, ChunkSigner
from localcloud.spaces.errors import S3Error, not_implemented
from localcloud.spaces.signature import UNSIGNED

_CHECKSUM = "x-amz-checksum-"


class Hash(Protocol):
    """What hashlib's objects can do, as far as it is used here."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_CHECKSUMS: Mapping[str, Callable[[], Hash]] = {
    "crc32": _Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


class Payload:
    """Checks a body while it passes through; `content` gives it back decoded.

    headers: of the request, lower-case. make_signer: for the chunks of a body that is signed chunk by chunk.
    """

    def __init__(self, headers: Mapping[str, str], make_signer: Callable[[], ChunkSigner | None]) -> None:
        mode = headers.get("x-amz-content-sha256", UNSIGNED)
        self._headers = headers
        self._sha256 = hashlib.sha256() if len(mode) == 64 else None
        self._decoder = None
        if mode.startswith("STREAMING-"):
            if mode not in MODES:
                raise not_implemented(f"x-amz-content-sha256: {mode}")
            signer = make_signer() if mode in (SIGNED, SIGNED_TRAILER) else None
            self._decoder = ChunkDecoder(signer)
        elif self._sha256 is None and mode != UNSIGNED:
            raise S3Error("InvalidArgument", "x-amz-content-sha256 must be a SHA-256, UNSIGNED-PAYLOAD or STREAMING-….")
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0
        self._checksums = _checksums(headers)

    async def content(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The decoded body. Raises S3Error once it proves not to be what the headers say; the caller then drops it."""
        async for data in body:
            if self._sha256 is not None:
                self._sha256.update(data)
            for piece in self._decoder.feed(data) if self._decoder is not None else (data,):
                self.md5.update(piece)
                self.size += len(piece)
                for checksum in self._checksums.values():
                    checksum.update(piece)
                yield piece
        self._check()

    def _check(self) -> None:
        given = self._headers
        if self._decoder is not None and not self._decoder.finished:
            raise S3Error("IncompleteBody", "The body ends before its last chunk.")
        length = given.get("x-amz-decoded-content-length") or given.get("content-length")
        if length is not None and (self._decoder is None or "x-amz-decoded-content-length" in given):
            _compare("IncompleteBody", "length of the body", int(length), self.size)
        if self._sha256 is not None:
            wanted = given["x-amz-content-sha256"]
            _compare("XAmzContentSHA256Mismatch", "x-amz-content-sha256", wanted, self._sha256.hexdigest())
        if "content-md5" in given:
            _compare("BadDigest", "Content-MD5", given["content-md5"], _base64(self.md5))
        sent = {**given, **(self._decoder.trailer if self._decoder is not None else {})}
        for name, checksum in self._checksums.items():
            if _CHECKSUM + name in sent:
                _compare("BadDigest", _CHECKSUM + name, sent[_CHECKSUM + name], _base64(checksum))
            else:
                raise S3Error("IncompleteBody", f"{_CHECKSUM}{name} was announced and did not come.")


def _checksums(headers: Mapping[str, str]) -> dict[str, Hash]:
    """The checksums a request carries in its headers or announces for the end of its body."""
    announced = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
    names = [name.removeprefix(_CHECKSUM) for name in _given(headers, announced)]
    unknown = [name for name in names if name not in _CHECKSUMS]
    if unknown:
        raise not_implemented(f"{_CHECKSUM}{unknown[0]}; there are {', '.join(_CHECKSUMS)}")
    return {name: _CHECKSUMS[name]() for name in names}


def _given(headers: Mapping[str, str], announced: Iterable[str]) -> list[str]:
    meta = (_CHECKSUM + "algorithm", _CHECKSUM + "mode", _CHECKSUM + "type")
    return [name for name in (*headers, *announced) if name.startswith(_CHECKSUM) and name not in meta]


def _compare(code: str, what: str, wanted: object, found: object) -> None:
    if wanted != found:
        raise S3Error(code, f"The {what} is said to be {wanted}, and is {found}.")


def _base64(checksum: Hash) -> str:
    return base64.b64encode(checksum.digest()).decode()
