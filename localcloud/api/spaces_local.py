"""/_local calls about Spaces: where they are, and their lifecycle rules carried out at once."""

from datetime import UTC, datetime

from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.spaces.addresses import ENDPOINT_TEMPLATE
from localcloud.spaces.lifecycle import sweep


class _Sweep(Body):
    at: datetime | None = None


def _endpoints(call: Call) -> Reply:
    return Reply(
        body={
            "api": call.base_url,
            "spaces": {
                "path_style": call.base_url,
                "endpoint_template": ENDPOINT_TEMPLATE,
                "http_proxy": call.base_url,
            },
        }
    )


def _sweep(call: Call) -> Reply:
    at = call.read(_Sweep).at or datetime.now(UTC)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return Reply(body={"at": at.isoformat(), "removed": sweep(call.cloud.spaces.store, at)})


ENDPOINTS: Routes = {"/_local/endpoints": {"GET": _endpoints}, "/_local/spaces/sweep": {"POST": _sweep}}
