"""Errors as DigitalOcean's API sends them: a status, an id that programs read and a message for people."""


class ApiError(Exception):
    """Ends a call with an error body. `message` says what is wrong, what is allowed and that nothing was changed."""

    status = 500
    id = "server_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(ApiError):
    """The body is not what the call takes (not JSON, a wrong type)."""

    status, id = 400, "bad_request"


class Forbidden(ApiError):
    """Understood, and never allowed in this state."""

    status, id = 403, "forbidden"


class NotFound(ApiError):
    """There is no such resource."""

    status, id = 404, "not_found"


class Conflict(ApiError):
    """Something of that name exists, or another change holds the resource."""

    status, id = 409, "conflict"


class PreconditionFailed(ApiError):
    """Not in this state; the same call may work later."""

    status, id = 412, "precondition_failed"


class Unprocessable(ApiError):
    """The body is well formed and a value in it cannot be used."""

    status, id = 422, "unprocessable_entity"


class NotImplementedHere(ApiError):
    """DigitalOcean can do this, the local cloud cannot. Clients do not retry a 501."""

    status, id = 501, "not_implemented"

    def __init__(self, what: str) -> None:
        super().__init__(f"The local cloud does not implement {what}.")
