"""Lists as DigitalOcean sends them: a page of items, `links` to the other pages and the total in `meta`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from localcloud.api.call import Call, Reply
from localcloud.api.errors import Unprocessable

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 200


def page(call: Call, root: str, items: Sequence[Any]) -> Reply:
    """The page of `items` the query asks for, under the key `root`. Raises Unprocessable for impossible numbers."""
    per_page = _number(call, "per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE)
    number = _number(call, "page", 1, None)
    last = max(1, -(-len(items) // per_page))
    start = (number - 1) * per_page
    return Reply(
        body={
            root: list(items[start : start + per_page]),
            "links": _links(call, number, last),
            "meta": {"total": len(items)},
        }
    )


def _number(call: Call, name: str, default: int, most: int | None) -> int:
    text = call.query.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) < 1 or (most is not None and int(text) > most):
        allowed = f"from 1 to {most}" if most else "from 1"
        raise Unprocessable(f"{name}: {text} cannot be used. Allowed: a whole number {allowed}.")
    return int(text)


def _links(call: Call, number: int, last: int) -> dict[str, Any]:
    if last == 1:
        return {}

    def to(page: int) -> str:
        query = {key: value for key, value in call.query.items() if key != "page"}
        return f"{call.base_url}{call.path}?{urlencode(query | {'page': str(page)})}"

    pages: dict[str, str] = {}
    if number > 1:
        pages |= {"first": to(1), "prev": to(min(number - 1, last))}
    if number < last:
        pages |= {"next": to(number + 1), "last": to(last)}
    return {"pages": pages}
