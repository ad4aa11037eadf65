"""/v2/account, /v2/regions and /v2/sizes: who we are and where things can be."""

from localcloud import catalogue
from localcloud.api.call import Call, Endpoint, Reply
from localcloud.api.paging import page
from localcloud.cloud import ACCOUNT_ID


def _account(_call: Call) -> Reply:
    return Reply(
        body={
            "account": {
                "uuid": ACCOUNT_ID,
                "name": "Local cloud",
                "email": "local@localhost",
                "email_verified": True,
                "droplet_limit": 0,
                "floating_ip_limit": 0,
                "status": "active",
                "status_message": "",
                "team": {"uuid": ACCOUNT_ID, "name": "Local cloud"},
            }
        }
    )


def _regions(call: Call) -> Reply:
    regions = [
        {"slug": region.slug, "name": region.name, "available": True, "features": [], "sizes": []}
        for region in catalogue.REGIONS.values()
    ]
    return page(call, "regions", regions)


def _sizes(call: Call) -> Reply:
    # Sizes are those of Droplets, and the local cloud has none.
    return page(call, "sizes", [])


ENDPOINTS = (
    Endpoint(method="GET", path="/v2/account", handler=_account),
    Endpoint(method="GET", path="/v2/regions", handler=_regions),
    Endpoint(method="GET", path="/v2/sizes", handler=_sizes),
)
