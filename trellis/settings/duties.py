"""What a product asks of those who run it: checks of its data, and work that is done again and again."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from trellis.settings.cron import Cron
from trellis.settings.model import Misfit, Model, Slug

ON_CALL = "on-call"
"""Who is told where nothing else is said."""


def _cron(text: str) -> str:
    Cron.read(text)
    return text


Statement = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Check(Model):
    """A question about the product's rows, asked by `trellis status`.

    pool: "<cluster>.<pool>", whose user asks, through the pool, in a transaction that only reads.
    sql: one statement that gives one number. threshold: more than this is a finding. do: what mends it.
    tell: the role in `contacts` that is told.
    """

    pool: str
    sql: Statement
    threshold: float = 0
    severity: Literal["note", "warning", "critical"] = "warning"
    do: Statement
    tell: Slug = ON_CALL
    timeout_seconds: int = Field(default=10, ge=1, le=60)


class Job(Model):
    """Work in a database that `trellis jobs run` does when it is due.

    cron: when, UTC. sql: one statement. Either `pool`, "<cluster>.<pool>", whose user does it, through the pool; or
    `database`, "<cluster>.<database>", where the administrator does, on the direct port.
    """

    description: str
    cron: Annotated[str, AfterValidator(_cron)]
    sql: Statement
    pool: str | None = None
    database: str | None = None
    timeout_seconds: int = Field(default=600, ge=1, le=6 * 3600)
    tell: Slug = ON_CALL

    @model_validator(mode="after")
    def _who(self) -> Self:
        if (self.pool is None) == (self.database is None):
            raise Misfit((), "give one of `pool`, whose user does it, and `database`, where the administrator does")
        return self
