"""/v2/account: who we are."""

from localcloud.api.call import Call, Reply, Routes
from localcloud.cloud import ACCOUNT_ID


def _account(_call: Call) -> Reply:
    return Reply(
        body={
            "account": {
                "uuid": ACCOUNT_ID,
                "name": "Local cloud",
                "email": "owner@localcloud.test",
                "email_verified": True,
                "droplet_limit": 25,
                "floating_ip_limit": 0,
                "status": "active",
                "status_message": "",
                "team": {"uuid": ACCOUNT_ID, "name": "Local cloud"},
            }
        }
    )


ENDPOINTS: Routes = {"/v2/account": {"GET": _account}}
