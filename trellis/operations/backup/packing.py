"""A dump on its way to a file: compressed with zstd, then encrypted with age to public keys."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from trellis.operations.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 20
SUFFIX = ".dump.zst"
ENCRYPTED = ".age"
# zstd's own default: three times as fast as gzip's, and smaller.
_LEVEL = 3


class _Counted:
    """A file that is written, with the bytes that went into it counted and hashed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class _Watched:
    """A stream that is read, which tells how much was."""

    def __init__(self, stream: IO[bytes], tell: "Callable[[int], None]") -> None:
        self._stream = stream
        self._tell = tell
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._read += len(data)
        self._tell(self._read)
        return data


def pack(
    stream: IO[bytes], file: Path, recipients: Sequence[str], progress: "Callable[[int], None]"
) -> tuple[int, str]:
    """Writes a stream to a new file of mode 600, which is on the disk when this returns; gives its bytes and SHA-256.

    progress: is told how many bytes were read. Raises OperationError for a recipient that is none.
    """
    import zstandard

    watched: Any = _Watched(stream, progress)
    packed = zstandard.ZstdCompressor(level=_LEVEL, threads=-1, write_checksum=True).stream_reader(watched)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        out = _Counted(opened)
        if recipients:
            import pyrage

            pyrage.encrypt_io(packed, out, keys(recipients))
        else:
            while data := packed.read(_CHUNK):
                out.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    return out.bytes, out.sha256


def unpack(file: Path, out: IO[bytes], identities: Sequence[Any]) -> None:
    """Writes what is packed in a file. Raises BrokenPipeError where nobody reads it, OperationError without a key."""
    import zstandard

    writer = zstandard.ZstdDecompressor().stream_writer(out, closefd=False)
    try:
        with file.open("rb") as opened:
            if file.suffix == ENCRYPTED:
                _decrypt(file, opened, writer, identities)
            else:
                shutil.copyfileobj(opened, writer, _CHUNK)
    except zstandard.ZstdError as error:
        raise OperationError(f"{file.name} is damaged: {error}.") from None


def _decrypt(file: Path, opened: IO[bytes], writer: Any, identities: Sequence[Any]) -> None:
    import pyrage

    if not identities:
        raise OperationError(f"{file.name} is encrypted. Name the file of the secret key with --identity.")
    try:
        pyrage.decrypt_io(opened, writer, list(identities))
    except pyrage.DecryptError as error:
        raise OperationError(f"{file.name} cannot be decrypted with this key: {error}") from None


def sha256(file: Path) -> str:
    """Of a file as it lies there."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def keys(recipients: Sequence[str]) -> list[Any]:
    """Public keys. Raises OperationError for a text that is none."""
    import pyrage

    try:
        return [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    except pyrage.RecipientError as error:
        raise OperationError(f"A recipient is no public key of age (age1…): {error}") from None


def identities(file: Path | None) -> list[Any]:
    """The secret keys in a file as age-keygen writes it. Raises OperationError where it holds none."""
    if file is None:
        return []
    import pyrage

    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        raise OperationError(f"{file} holds no secret key of age: a line AGE-SECRET-KEY-1… is expected.")
    return found


def new_key(file: Path) -> str:
    """Writes a new secret key, never over a file that is there; gives its public key."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise OperationError(f"{file} was not written: {error.strerror}. Name a new file.") from None
    with os.fdopen(handle, "w") as opened:
        opened.write(f"# public key: {public}\n{identity}\n")
    return public
