"""What can be ordered."""

from localcloud import catalogue
from localcloud.api.call import Call, Reply, Routes
from localcloud.api.databases import checks


def _options(call: Call) -> Reply:
    tables = call.cloud.state.read()
    options, availability = {}, {}
    for engine in catalogue.RUNNING.values():
        versions, limits = checks.installed_versions(call, engine), checks.limited(tables, engine)
        sizes = {
            nodes: [plan.slug for plan in engine.plans.values() if nodes <= checks.most_nodes(plan, limits)]
            for nodes in range(1, catalogue.MAX_NODES + 1)
        }
        options[engine.slug] = {
            "regions": list(catalogue.REGIONS),
            "versions": versions,
            "default_version": engine.default_version,
            "layouts": [{"num_nodes": nodes, "sizes": found} for nodes, found in sizes.items() if found],
        }
        availability[engine.slug] = [
            {
                "version": major,
                "default": major == engine.default_version,
                "end_of_life": engine.versions[major],
                "end_of_availability": None,
            }
            for major in versions
        ]
    return Reply(body={"options": options, "version_availability": availability})


ENDPOINTS: Routes = {"/v2/databases/options": {"GET": _options}}
