"""Cloudflare's envelope around every answer."""

from typing import Any

from localcloud.api.call import Reply
from localcloud.api.errors import ApiError

_NEVER_RETRY = {"x-should-retry": "false"}
"""Cloudflare's clients repeat a 409 and a 501 unless told not to."""


class CloudflareError(ApiError):
    """An error with one of Cloudflare's numbers."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(status, str(code), message)
        self.code = code


def success(result: Any, status: int = 200, **more: Any) -> Reply:
    return Reply(status=status, body={"success": True, "errors": [], "messages": [], "result": result, **more})


def failure(error: ApiError) -> Reply:
    code = error.code if isinstance(error, CloudflareError) else error.status
    return Reply(
        status=error.status,
        body={
            "success": False,
            "errors": [{"code": code, "message": error.message}],
            "messages": [],
            "result": None,
        },
        headers=_NEVER_RETRY if error.status in (409, 501) else {},
    )
