"""Where alerts go."""

import re
from typing import Any

from pydantic import field_validator

from localcloud.api.call import Body

_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")


class SlackChannel(Body):
    channel: str
    url: str


class Destinations(Body):
    """Email addresses and Slack channels of an alert."""

    email: list[str] | None = None
    slack: list[SlackChannel] | None = None

    @field_validator("email")
    @classmethod
    def _addresses(cls, values: list[str] | None) -> list[str] | None:
        for value in values or ():
            if not _EMAIL.match(value):
                raise ValueError(f"{value}: not an email address.")
        return values

    def shown(self) -> dict[str, Any]:
        return {"email": list(self.email or ()), "slack": [channel.model_dump() for channel in self.slack or ()]}
