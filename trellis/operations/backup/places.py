"""Where backups lie: a folder, or a bucket in Spaces. A backup is a folder of files, the manifest the last of them."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trellis.operations.backup import manifest
from trellis.operations.backup.manifest import Manifest
from trellis.operations.errors import OperationError

_SPACES = "spaces://"
_ENDPOINT = "https://{{.Region}}.digitaloceanspaces.com"
# Of a folder that is not whole yet.
_PARTIAL = ".partial"
# Says of a backup on its way to Spaces that it is ours. One that has not moved for a day is given up.
_STARTED = "started.json"
_MARK = f'{{"made_by": "{manifest.MADE_BY}"}}'.encode()
_GIVEN_UP = timedelta(days=1)
_PART = 16 << 20
_MOST_PARTS = 9000


class Folder:
    """A folder on this machine."""

    def __init__(self, path: Path, stack: str) -> None:
        self._path = path.expanduser().absolute() / stack

    @property
    def where(self) -> str:
        """The stack's folder."""
        return str(self._path)

    def backups(self) -> Sequence[Manifest]:
        """All that are whole, the oldest first."""
        found = []
        for file in sorted(self._path.glob(f"*/{manifest.FILE}")):
            # What somebody else put there is none of ours.
            with suppress(OperationError):
                read = manifest.parse(file.read_bytes(), str(file))
                if read.name == file.parent.name:
                    found.append(read)
        return found

    def backup(self, name: str) -> Manifest:
        """One of a name. Raises OperationError where it is not there, or not whole."""
        file = self._path / name / manifest.FILE
        if not file.is_file():
            raise OperationError(f"{file} is missing, so this is no whole backup.")
        return manifest.parse(file.read_bytes(), str(file))

    @contextmanager
    def made(self, name: str) -> Iterator[Path]:
        """An empty folder to fill, which is a backup when this ends well, and nothing else. One at a time.

        What a run that was killed left behind is deleted first. Raises OperationError where another run is at it.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._path / ".lock").open("w") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise OperationError(
                    f"Another backup is being made in {self._path}. Wait until it has ended."
                ) from None
            for left in self._path.glob(f".*{_PARTIAL}"):
                shutil.rmtree(left, ignore_errors=True)
            partial = self._path / f".{name}{_PARTIAL}"
            partial.mkdir(mode=0o700)
            try:
                yield partial
                partial.replace(self._path / name)
                _sync(self._path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def file(self, name: str, *files: str) -> Iterator[Path]:
        """The first of some files of one folder, which are there already. Raises OperationError where one is not."""
        paths = [self._path / name / file for file in files]
        for path in paths:
            if not path.is_file():
                raise OperationError(f"{path} is missing.")
        yield paths[0]

    def delete(self, name: str) -> None:
        """Deletes a backup, its manifest first."""
        with suppress(FileNotFoundError):
            (self._path / name / manifest.FILE).unlink()
        shutil.rmtree(self._path / name, ignore_errors=True)


class Spaces:
    """A bucket, and a prefix in it. client: botocore's for S3."""

    def __init__(self, client: Any, bucket: str, prefix: str, stack: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = "/".join(filter(None, (prefix, stack))) + "/"

    @property
    def where(self) -> str:
        """The stack's prefix."""
        return f"{_SPACES}{self._bucket}/{self._prefix.rstrip('/')}"

    def backups(self) -> Sequence[Manifest]:
        """All that are whole, the oldest first."""
        found = []
        for key in sorted(self._keys()):
            if key.endswith(f"/{manifest.FILE}"):
                with suppress(OperationError):
                    read = manifest.parse(self._get(key), key)
                    if key == self._key(read.name, manifest.FILE):
                        found.append(read)
        return found

    def backup(self, name: str) -> Manifest:
        """One of a name. Raises OperationError where it is not there, or not whole."""
        key = self._key(name, manifest.FILE)
        if key not in self._keys(f"{name}/"):
            raise OperationError(f"{self.where}/{name}/{manifest.FILE} is missing, so this is no whole backup.")
        return manifest.parse(self._get(key), key)

    def upload(self, folder: Path, tell: Callable[[str], None]) -> None:
        """Uploads a backup, the manifest last; goes on where a run before this one was stopped."""
        name = folder.name
        self._make_bucket()
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != manifest.FILE]
        self._put(self._key(name, _STARTED), _MARK)
        for path in files:
            self._upload(path, self._key(name, str(path.relative_to(folder))), tell)
        self._put(self._key(name, manifest.FILE), (folder / manifest.FILE).read_bytes())
        self._client.delete_object(Bucket=self._bucket, Key=self._key(name, _STARTED))

    @contextmanager
    def file(self, name: str, *files: str) -> Iterator[Path]:
        """Downloads some files of one folder; gives the first."""
        with TemporaryDirectory(prefix="trellis-") as folder:
            paths = [Path(folder, Path(file).name) for file in files]
            for file, path in zip(files, paths, strict=True):
                body = self._client.get_object(Bucket=self._bucket, Key=self._key(name, file))["Body"]
                with path.open("wb") as out:
                    shutil.copyfileobj(body, out, 1 << 20)
            yield paths[0]

    def delete(self, name: str) -> None:
        """Deletes a backup, its manifest first."""
        self._client.delete_object(Bucket=self._bucket, Key=self._key(name, manifest.FILE))
        for key in self._keys(f"{name}/"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def give_up(self) -> None:
        """Deletes what runs that were stopped a day ago and never went on have left."""
        keys = self._keys()
        for key in sorted(keys):
            name = key.removeprefix(self._prefix).partition("/")[0]
            if key == self._key(name, _STARTED) and self._key(name, manifest.FILE) not in keys and self._is_old(name):
                for upload in self._uploads(self._key(name, "")):
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                self.delete(name)

    def _is_old(self, name: str) -> bool:
        """Whether a backup that was begun is one of ours, and of yesterday."""
        try:
            age = datetime.now(UTC) - manifest.moment(name)
        except ValueError:
            return False
        return age > _GIVEN_UP and self._get(self._key(name, _STARTED)) == _MARK

    def _upload(self, path: Path, key: str, tell: Callable[[str], None]) -> None:
        size = path.stat().st_size
        part = max(_PART, -(-size // _MOST_PARTS))
        if self._is_there(key, size):
            return
        upload = next((one["UploadId"] for one in self._uploads(key) if one["Key"] == key), None)
        upload = upload or self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        named = {"Bucket": self._bucket, "Key": key, "UploadId": upload}
        there = {
            one["PartNumber"]: one
            for page in self._client.get_paginator("list_parts").paginate(**named)
            for one in page.get("Parts") or ()
        }
        parts = []
        with path.open("rb") as opened:
            for number in range(1, max(1, -(-size // part)) + 1):
                data = opened.read(part)
                etag = f'"{_md5(data)}"'
                known = there.get(number)
                if known is None or known["ETag"] != etag:
                    etag = self._client.upload_part(**named, PartNumber=number, Body=data)["ETag"]
                parts.append({"PartNumber": number, "ETag": etag})
                tell(f"{path.name}: {min(number * part, size) / 1024**2:.0f} of {size / 1024**2:.0f} MiB uploaded")
        self._client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})

    def _is_there(self, key: str, size: int) -> bool:
        from botocore.exceptions import ClientError

        try:
            return bool(self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"] == size)
        except ClientError:
            return False

    def _uploads(self, prefix: str) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
        return [one for page in pages for one in page.get("Uploads") or ()]

    def _make_bucket(self) -> None:
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            # Private is what it is without an ACL.
            self._client.create_bucket(Bucket=self._bucket)

    def _keys(self, below: str = "") -> set[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + below)
        return {one["Key"] for page in pages for one in page.get("Contents") or ()}

    def _get(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    def _key(self, name: str, file: str) -> str:
        return f"{self._prefix}{name}/{file}"


Place = Folder | Spaces


def place(named: str, stack: str, region: str, config: Mapping[str, str]) -> Place:
    """The place that a text names: a folder, or spaces://bucket/prefix. region: of the bucket. config: the stack's.

    Raises OperationError where Spaces are named and no key to them is set.
    """
    if not named.startswith(_SPACES):
        return Folder(Path(named), stack)
    bucket, _, prefix = named.removeprefix(_SPACES).partition("/")
    return Spaces(_client(config, region), bucket, prefix.strip("/"), stack)


def found(named: str, region: str, config: Mapping[str, str]) -> tuple[Place, Manifest]:
    """A backup by the text that names it: where it lies, or the newest where several do; and that place.

    Raises OperationError where there is none.
    """
    above, _, last = named.rstrip("/").rpartition("/")
    with suppress(ValueError):
        manifest.moment(last)
        above, _, stack = above.rpartition("/")
        there = place(above or ".", stack, region, config)
        return there, there.backup(last)
    there = place(above or ".", last, region, config)
    return there, newest(there)


def newest(there: Place) -> Manifest:
    """Raises OperationError where there is none."""
    whole = there.backups()
    if not whole:
        raise OperationError(f"{there.where} holds no backup that is whole.")
    return whole[-1]


def _client(config: Mapping[str, str], region: str) -> Any:
    import botocore.session
    from botocore.config import Config

    from trellis.settings.catalogue import NEAREST_SPACES

    def key(name: str, variable: str) -> str:
        if given := config.get(f"digitalocean:{name}") or os.environ.get(variable):
            return given
        raise OperationError(f"{variable} is not set, and Spaces ask for a key. Nothing was done.")

    # As the plugin takes it.
    endpoint = config.get("digitalocean:spacesEndpoint") or os.environ.get("SPACES_ENDPOINT_URL") or _ENDPOINT
    options: dict[str, Any] = {
        # Spaces do not know the checksums that AWS's newer clients add by themselves.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path"},
        "retries": {"mode": "standard", "max_attempts": 6},
    }
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint.replace("{{.Region}}", NEAREST_SPACES.get(region, region)),
        region_name="us-east-1",
        aws_access_key_id=key("spacesAccessId", "SPACES_ACCESS_KEY_ID"),
        aws_secret_access_key=key("spacesSecretKey", "SPACES_SECRET_ACCESS_KEY"),
        config=Config(**options),
    )


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
