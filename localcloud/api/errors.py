"""Errors as DigitalOcean's API sends them: a status, an id that programs read and a message for people."""


class ApiError(Exception):
    """Ends a call with an error body. `message` says what is wrong, what is allowed and that nothing was changed."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.id = id
        self.message = message


class BadRequest(ApiError):
    """400: the body is not what the call takes (not JSON, a wrong type)."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "bad_request", message)


class Forbidden(ApiError):
    """403: understood, and never allowed in this state."""

    def __init__(self, message: str) -> None:
        super().__init__(403, "forbidden", message)


class NotFound(ApiError):
    """404: there is no such resource."""

    def __init__(self, message: str) -> None:
        super().__init__(404, "not_found", message)


class Conflict(ApiError):
    """409: something of that name exists, or another change holds the resource."""

    def __init__(self, message: str) -> None:
        super().__init__(409, "conflict", message)


class PreconditionFailed(ApiError):
    """412: not in this state; the same call may work later."""

    def __init__(self, message: str) -> None:
        super().__init__(412, "precondition_failed", message)


class Unprocessable(ApiError):
    """422: the body is well formed and a value in it cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(422, "unprocessable_entity", message)


class NotImplementedHere(ApiError):
    """501: DigitalOcean can do this, the local cloud cannot. Clients do not retry a 501."""

    def __init__(self, what: str) -> None:
        super().__init__(501, "not_implemented", f"The local cloud does not implement {what}.")
