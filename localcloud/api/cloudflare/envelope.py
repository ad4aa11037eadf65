"""Cloudflare's envelope around every answer."""

from collections.abc import Sequence
from typing import Any

from localcloud.api.call import Call, Reply
from localcloud.api.errors import ApiError

_NEVER_RETRY = {"x-should-retry": "false"}
"""Cloudflare's clients repeat a 409 and a 501 unless told not to."""


class CloudflareError(ApiError):
    """An error with one of Cloudflare's numbers."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def success(result: Any, **more: Any) -> Reply:
    return Reply(body={"success": True, "errors": [], "messages": [], "result": result, **more})


def listing(call: Call, items: Sequence[Any], default_per_page: int) -> Reply:
    """The page of `items` the query asks for. Numbers that make no sense count as the defaults."""
    per_page = _positive(call.query.get("per_page", ""), default_per_page)
    number = _positive(call.query.get("page", ""), 1)
    shown = list(items[(number - 1) * per_page : number * per_page])
    info = {
        "page": number,
        "per_page": per_page,
        "count": len(shown),
        "total_count": len(items),
        "total_pages": -(-len(items) // per_page),
    }
    return success(shown, result_info=info)


def _positive(text: str, default: int) -> int:
    return int(text) if text.isdigit() and int(text) > 0 else default


def failure(error: ApiError) -> Reply:
    code = error.code if isinstance(error, CloudflareError) else error.status
    return Reply(
        status=error.status,
        body={"success": False, "errors": [{"code": code, "message": error.message}], "messages": [], "result": None},
        headers=_NEVER_RETRY if error.status in (409, 501) else {},
    )
