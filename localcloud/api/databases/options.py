"""What can be ordered."""

from localcloud import catalogue
from localcloud.api.call import Call, Reply, Routes
from localcloud.api.databases import checks


def _options(call: Call) -> Reply:
    layouts = [
        {"num_nodes": nodes, "sizes": [plan.slug for plan in catalogue.PLANS.values() if nodes <= plan.max_nodes]}
        for nodes in range(1, catalogue.MAX_NODES + 1)
    ]
    options, availability = {}, {}
    for engine in catalogue.RUNNING.values():
        versions = checks.installed_versions(call, engine)
        options[engine.slug] = {"regions": list(catalogue.REGIONS), "versions": versions, "layouts": layouts}
        availability[engine.slug] = [
            {"version": major, "end_of_life": engine.versions[major], "end_of_availability": None} for major in versions
        ]
    return Reply(body={"options": options, "version_availability": availability})


ENDPOINTS: Routes = {"/v2/databases/options": {"GET": _options}}
