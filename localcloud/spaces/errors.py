"""Errors as S3 sends them: a code that programs read, its HTTP status, and a message for people."""

_CODES = {
    400: """
AuthorizationHeaderMalformed BadDigest EntityTooLarge EntityTooSmall IncompleteBody
InvalidArgument InvalidBucketName InvalidPart InvalidPartOrder InvalidRequest KeyTooLongError
MalformedPolicy MalformedXML TooManyBuckets XAmzContentSHA256Mismatch
""",
    403: "AccessDenied InvalidAccessKeyId RequestTimeTooSkewed SignatureDoesNotMatch",
    404: """
NoSuchBucket NoSuchBucketPolicy NoSuchCORSConfiguration NoSuchKey NoSuchLifecycleConfiguration
NoSuchUpload NoSuchVersion
""",
    405: "MethodNotAllowed",
    409: "BucketAlreadyExists BucketNotEmpty",
    411: "MissingContentLength",
    412: "PreconditionFailed",
    416: "InvalidRange",
    500: "InternalError",
    501: "NotImplemented",
    503: "SlowDown",
}
_STATUS = {code: status for status, codes in _CODES.items() for code in codes.split()}


class S3Error(Exception):
    """Ends a request with an error. code: one of S3's. headers: added to the answer, such as x-amz-delete-marker."""

    def __init__(self, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = _STATUS[code]
        self.message = message
        self.headers = headers or {}


def not_implemented(what: str) -> S3Error:
    """Spaces can do this, the local cloud cannot. Clients do not retry a 501."""
    return S3Error("NotImplemented", f"The local cloud does not implement {what}.")
