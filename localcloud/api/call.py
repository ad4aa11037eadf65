"""One API call: what a handler gets and what it gives back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from localcloud.api.errors import BadRequest, Unprocessable
from localcloud.cloud import Cloud


class Body(BaseModel):
    """Base of request bodies. Fields the call does not know are ignored, as DigitalOcean does."""

    model_config = ConfigDict(frozen=True, extra="ignore")


B = TypeVar("B", bound=Body)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request, parsed as far as every handler needs it. `fault` is the kind of a fault the handler must act out."""

    cloud: Cloud
    method: str
    path: str
    base_url: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    fault: str = ""

    def param(self, name: str) -> str:
        return self.params[name]

    def json(self) -> dict[str, Any]:
        """The body as an object; an empty body is an empty object. Raises BadRequest."""
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body)
        except ValueError as problem:
            raise BadRequest(f"The body is not JSON: {problem}.") from problem
        if not isinstance(value, dict):
            raise BadRequest("The body must be a JSON object.")
        return value

    def read(self, model: type[B], before: Mapping[str, Any] | None = None) -> B:
        """The body as `model`. before: what it changes. Raises Unprocessable with the first thing that is wrong."""
        try:
            return model.model_validate({**(before or {}), **self.json()})
        except ValidationError as problem:
            raise Unprocessable(first_problem(problem)) from problem


def first_problem(problem: ValidationError) -> str:
    """The first complaint as one sentence that starts with the field's path."""
    error = problem.errors(include_url=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    what = error["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A response: a JSON body, or none."""

    status: int = 200
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


NO_CONTENT = Reply(status=204)

Handler = Callable[[Call], Reply]

Routes = Mapping[str, Mapping[str, Handler]]
"""Paths, with parameters in braces, and for each of its methods the function that answers."""
