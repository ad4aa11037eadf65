"""Every call of the S3 API that is answered: how it is told from the others, what it needs, who answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from localcloud.spaces import buckets, lists, multipart, objects, settings
from localcloud.spaces.errors import not_implemented
from localcloud.spaces.keys import Need
from localcloud.spaces.messages import Reply, Request


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A call. action: what policies call it. streams: its body is content, taken in piece by piece.

    need: None where any key will do. bucketless: it concerns no bucket that is there.
    """

    handler: Callable[[Request], Reply]
    action: str
    need: Need | None
    streams: bool = False
    bucketless: bool = False


_READ, _WRITE, _MANAGE = Need.READ, Need.WRITE, Need.MANAGE

_ALL: Mapping[str, tuple[Callable[[Request], Reply], str, Need]] = {
    "PUT bucket acl": (buckets.put_acl, "PutBucketAcl", _MANAGE),
    "GET bucket acl": (buckets.get_acl, "GetBucketAcl", _READ),
    "PUT bucket versioning": (settings.put_versioning, "PutBucketVersioning", _MANAGE),
    "GET bucket versioning": (settings.get_versioning, "GetBucketVersioning", _READ),
    "PUT bucket lifecycle": (settings.put_lifecycle, "PutLifecycleConfiguration", _MANAGE),
    "GET bucket lifecycle": (settings.get_lifecycle, "GetLifecycleConfiguration", _READ),
    "DELETE bucket lifecycle": (settings.delete_lifecycle, "PutLifecycleConfiguration", _MANAGE),
    "PUT bucket cors": (settings.put_cors, "PutBucketCORS", _MANAGE),
    "GET bucket cors": (settings.get_cors, "GetBucketCORS", _READ),
    "DELETE bucket cors": (settings.delete_cors, "PutBucketCORS", _MANAGE),
    "PUT bucket policy": (settings.put_policy, "PutBucketPolicy", _MANAGE),
    "GET bucket policy": (settings.get_policy, "GetBucketPolicy", _MANAGE),
    "DELETE bucket policy": (settings.delete_policy, "DeleteBucketPolicy", _MANAGE),
    "GET bucket location": (buckets.get_location, "GetBucketLocation", _READ),
    "GET bucket versions": (lists.list_object_versions, "ListBucketVersions", _READ),
    "GET bucket uploads": (lists.list_uploads, "ListBucketMultipartUploads", _READ),
    "GET bucket list-type": (lists.list_objects_2, "ListBucket", _READ),
    "GET bucket": (lists.list_objects, "ListBucket", _READ),
    "HEAD bucket": (buckets.head_bucket, "ListBucket", _READ),
    "DELETE bucket": (buckets.delete_bucket, "DeleteBucket", _MANAGE),
    "POST bucket delete": (objects.delete_objects, "DeleteObject", _WRITE),
    "GET object": (objects.get_object, "GetObject", _READ),
    "HEAD object": (objects.head_object, "GetObject", _READ),
    "DELETE object": (objects.delete_object, "DeleteObject", _WRITE),
    "PUT object copy": (objects.copy_object, "PutObject", _WRITE),
    "GET object acl": (objects.get_object_acl, "GetObjectAcl", _READ),
    "PUT object acl": (objects.put_object_acl, "PutObjectAcl", _WRITE),
    "POST object uploads": (multipart.create_upload, "PutObject", _WRITE),
    "PUT object uploadId copy": (multipart.copy_part, "PutObject", _WRITE),
    "POST object uploadId": (multipart.complete_upload, "PutObject", _WRITE),
    "DELETE object uploadId": (multipart.abort_upload, "AbortMultipartUpload", _WRITE),
    "GET object uploadId": (multipart.list_parts, "ListMultipartUploadParts", _READ),
}

OPERATIONS: Mapping[str, Operation] = {
    **{
        name: Operation(handler=handler, action=f"s3:{action}", need=need)
        for name, (handler, action, need) in _ALL.items()
    },
    "GET service": Operation(handler=buckets.list_buckets, action="s3:ListAllMyBuckets", need=None, bucketless=True),
    "PUT bucket": Operation(handler=buckets.create_bucket, action="s3:CreateBucket", need=Need.MANAGE, bucketless=True),
    "PUT object": Operation(handler=objects.put_object, action="s3:PutObject", need=Need.WRITE, streams=True),
    "PUT object uploadId": Operation(
        handler=multipart.upload_part, action="s3:PutObject", need=Need.WRITE, streams=True
    ),
}

_TOLD_BY = "acl versioning lifecycle cors policy location versions uploads list-type delete uploadId".split()
_MISSING = (
    "accelerate analytics attributes encryption intelligent-tiering inventory legal-hold logging metrics notification"
    " object-lock ownershipControls policyStatus publicAccessBlock replication requestPayment restore retention select"
    " tagging torrent website"
).split()
"""What the query names where S3 has a call that is not answered here."""


def find_operation(
    method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Operation:
    """The call that a request makes. Raises NotImplemented with its name."""
    words = [method, "object" if key else "bucket" if bucket else "service"]
    words += [name for name in (*_TOLD_BY, *_MISSING) if name in query]
    if "x-amz-copy-source" in headers and method == "PUT":
        words.append("copy")
    operation = OPERATIONS.get(" ".join(words))
    if operation is None:
        raise not_implemented(" ".join(words))
    return operation
