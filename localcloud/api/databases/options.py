"""What can be ordered."""

from localcloud import catalogue
from localcloud.api.call import Call, Endpoint, Reply
from localcloud.api.databases.view import ENGINE


def _options(call: Call) -> Reply:
    versions = [major for major in catalogue.POSTGRESQL_VERSIONS if major in call.cloud.fleet.tools.majors()]
    layouts = [
        {"num_nodes": nodes, "sizes": [plan.slug for plan in catalogue.PLANS.values() if nodes <= plan.max_nodes]}
        for nodes in range(1, catalogue.MAX_NODES + 1)
    ]
    availability = [
        {"version": major, "end_of_life": catalogue.POSTGRESQL_VERSIONS[major], "end_of_availability": None}
        for major in versions
    ]
    return Reply(
        body={
            "options": {ENGINE: {"regions": list(catalogue.REGIONS), "versions": versions, "layouts": layouts}},
            "version_availability": {ENGINE: availability},
        }
    )


ENDPOINTS = (Endpoint(method="GET", path="/v2/databases/options", handler=_options),)
