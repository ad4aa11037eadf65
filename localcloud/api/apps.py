"""/v2/apps: App Platform apps and their deployments."""

import secrets
import string
import uuid
from typing import Any

from localcloud import app_specs, catalogue
from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.databases.checks import project
from localcloud.api.errors import Conflict, NotFound, NotImplementedHere, Unprocessable
from localcloud.api.paging import page
from localcloud.delays import DEPLOYMENT
from localcloud.deployments import deploy
from localcloud.records import App, AppAlert, Deployment, now
from localcloud.state import Tables

_SECONDS_A_MONTH = 30 * 24 * 3600
_SUFFIX = string.ascii_lowercase + string.digits


class _Asked(Body):
    spec: dict[str, Any]
    project_id: str | None = None
    app_id: str = ""


class _Destinations(Body):
    emails: list[str] | None = None
    slack_webhooks: list[dict[str, Any]] | None = None


def _create(call: Call) -> Reply:
    body = call.read(_Asked)
    with call.cloud.state.transaction() as tables:
        spec = _accepted(call, tables, body.spec, None)
        app = App(
            id=str(uuid.uuid4()),
            spec=spec,
            ingress_host=f"{_with_suffix(spec['name'])}.ondigitalocean.app",
            project_id=project(tables, body.project_id or ""),
            created_at=now(),
            updated_at=now(),
        )
        app = _rolled_out(call, tables, app, spec, "manual")
    return _APPS.reply(call, app)


def _update(call: Call) -> Reply:
    body = call.read(_Asked)
    with call.cloud.state.transaction() as tables:
        app = _APPS.here(call, tables)
        app = _rolled_out(call, tables, app, _accepted(call, tables, body.spec, app), "app spec updated")
    return _APPS.reply(call, app)


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        app = _APPS.here(call, tables)
        del tables.apps[app.id]
    return Reply(body={"id": app.id})


def _redeploy(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        app = _APPS.here(call, tables)
        cause = "restart" if call.path.endswith("/restart") else "manual"
        app = _rolled_out(call, tables, app, app.spec, cause)
    return Reply(body={"deployment": _show_deployment(app, app.deployments[0], under_way=True)})


def _deployments(call: Call) -> Reply:
    app = _APPS.here(call, call.cloud.state.read())
    return page(call, "deployments", [_show_deployment(app, item) for item in app.deployments])


def _deployment(call: Call) -> Reply:
    app = _APPS.here(call, call.cloud.state.read())
    for deployment in app.deployments:
        if deployment.id == call.param("deployment_id"):
            return Reply(body={"deployment": _show_deployment(app, deployment)})
    raise NotFound(f"The app {app.name} has no deployment with the id {call.param('deployment_id')}.")


def _alerts(call: Call) -> Reply:
    app = _APPS.here(call, call.cloud.state.read())
    return Reply(body={"alerts": [_show_alert(alert) for alert in app.alerts]})


def _destinations(call: Call) -> Reply:
    body = call.read(_Destinations)
    with call.cloud.state.transaction() as tables:
        app = _APPS.here(call, tables)
        changed = next((alert for alert in app.alerts if alert.id == call.param("alert_id")), None)
        if changed is None:
            raise NotFound(f"The app {app.name} has no alert with the id {call.param('alert_id')}.")
        changed = changed.model_copy(
            update={"emails": tuple(body.emails or ()), "slack_webhooks": tuple(body.slack_webhooks or ())}
        )
        alerts = tuple(changed if alert.id == changed.id else alert for alert in app.alerts)
        tables.apps[app.id] = app.model_copy(update={"alerts": alerts})
    return Reply(body={"alert": _show_alert(changed)})


def _accepted(call: Call, tables: Tables, spec: dict[str, Any], current: App | None) -> dict[str, Any]:
    """The spec as it is kept. Raises Unprocessable, Conflict for a name another app has."""
    kept = _checked(call, tables, spec)
    for other in tables.apps.values():
        if other.name == spec["name"] and other is not current:
            raise Conflict(f"An app called {other.name} exists already; app names are unique in an account.")
    return kept


def _checked(call: Call, tables: Tables, spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as DigitalOcean completes it, secrets sealed. Raises Unprocessable."""
    try:
        app_specs.check(spec, tables)
        return app_specs.seal(app_specs.complete(spec), call.cloud.vault)
    except app_specs.SpecRefused as problem:
        raise Unprocessable(str(problem)) from problem
    except app_specs.DevelopmentDatabase as problem:
        raise NotImplementedHere(f"development databases ({problem}): attach a cluster with production: true") from None


def _with_suffix(name: str) -> str:
    return f"{name}-{''.join(secrets.choice(_SUFFIX) for _ in range(5))}"


def _rolled_out(call: Call, tables: Tables, app: App, spec: dict[str, Any], cause: str) -> App:
    app = deploy(
        app, spec, cause, tables, call.cloud.vault, call.cloud.fleet.authority.pem, DEPLOYMENT * call.cloud.options.pace
    )
    changes: dict[str, Any] = {"alerts": _kept_alerts(app)}
    if (spec.get("egress") or {}).get("type") != "DEDICATED_IP":
        changes["egress_ips"] = ()
    elif not app.egress_ips:
        changes["egress_ips"] = tuple(f"198.51.100.{secrets.randbelow(254) + 1}" for _ in range(2))
    app = app.model_copy(update=changes)
    tables.apps[app.id] = app
    return app


def _kept_alerts(app: App) -> tuple[AppAlert, ...]:
    """The alerts of the spec; those that were there before keep their id and destinations."""
    before = {(alert.component_name, alert.spec.get("rule")): alert for alert in app.alerts}
    wanted = [("", alert) for alert in app.spec.get("alerts") or ()]
    for _, component in app_specs.components(app.spec):
        wanted += [(component["name"], alert) for alert in component.get("alerts") or ()]
    alerts: list[AppAlert] = []
    for component_name, spec in wanted:
        known = before.get((component_name, spec.get("rule")))
        kept = known or AppAlert(id=str(uuid.uuid4()), spec=spec, component_name=component_name)
        alerts.append(kept.model_copy(update={"spec": spec}))
    return tuple(alerts)


def _show(call: Call, app: App) -> dict[str, Any]:
    newest = app.deployments[0]
    # Also one that takes no time at all is under way in the answer to the call that began it.
    under_way = newest if call.method != "GET" or not newest.ended else None
    live = next((item for item in app.deployments if item.ended and not item.failure and item is not under_way), None)
    url = f"https://{app.ingress_host}"
    shown: dict[str, Any] = {
        "id": app.id,
        "owner_uuid": "",
        "project_id": app.project_id,
        "spec": app.spec,
        "default_ingress": url,
        "live_url": url if live else "",
        "live_url_base": url if live else "",
        "live_domain": app.ingress_host if live else "",
        "created_at": app.created_at,
        "updated_at": app.updated_at,
        "last_deployment_created_at": newest.created_at,
        "tier_slug": "basic",
    }
    if app.spec.get("region"):
        shown["region"] = _show_region(app.spec["region"])
    if app.egress_ips:
        shown["dedicated_ips"] = [{"id": ip, "ip": ip, "status": "ASSIGNED"} for ip in app.egress_ips]
    if live:
        shown["active_deployment"] = _show_deployment(app, live)
    if under_way:
        shown["pending_deployment"] = _show_deployment(app, under_way, under_way=True)
    return shown


def _show_deployment(app: App, deployment: Deployment, *, under_way: bool = False) -> dict[str, Any]:
    if under_way or not deployment.ended:
        kind, phase, status = "pending", "PENDING_BUILD", "PENDING"
    elif deployment.failure:
        kind, phase, status = "error", "ERROR", "ERROR"
    else:
        kind, phase, status = "success", "ACTIVE" if deployment is app.active else "SUPERSEDED", "SUCCESS"
    step: dict[str, Any] = {"name": "deploy", "status": status, "started_at": deployment.created_at}
    if kind != "pending":
        step["ended_at"] = deployment.updated_at
    if kind == "error":
        step["reason"] = {"code": "InvalidEnvironment", "message": deployment.failure}
    counts = {f"{name}_steps": int(name == kind) for name in ("success", "error", "pending", "running")}
    return {
        "id": deployment.id,
        "spec": deployment.spec,
        "cause": deployment.cause,
        "phase": phase,
        "phase_last_updated_at": deployment.updated_at,
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
        "progress": counts | {"total_steps": 1, "steps": [step], "summary_steps": [step]},
        "tier_slug": "basic",
    }


def _show_region(slug: str) -> dict[str, Any]:
    centers = [region for region in catalogue.REGIONS.values() if region.app_region == slug]
    label = centers[0].name.rstrip(" 0123456789")
    return {"slug": slug, "label": label, "data_centers": [region.slug for region in centers], "disabled": False}


def _show_size(slug: str) -> dict[str, Any]:
    _, kind, vcpus, memory, *fixed = slug.split("-")
    price = app_specs.SIZES[slug]
    return {
        "name": slug,
        "slug": slug,
        "cpu_type": "DEDICATED" if kind == "d" else "SHARED",
        "cpus": vcpus.removesuffix("vcpu"),
        "memory_bytes": str(int(float(memory.removesuffix("gb")) * 2**30)),
        "usd_per_month": f"{price}.00",
        "usd_per_second": f"{price / _SECONDS_A_MONTH:.12f}",
        "tier_slug": "professional" if kind == "d" else "basic",
        "scalable": kind == "d",
        "single_instance_only": bool(fixed) or slug == "apps-s-1vcpu-0.5gb",
    }


def _regions(_call: Call) -> Reply:
    slugs = dict.fromkeys(region.app_region for region in catalogue.REGIONS.values())
    return Reply(body={"regions": [_show_region(slug) for slug in slugs]})


def _sizes(_call: Call) -> Reply:
    return Reply(body={"instance_sizes": [_show_size(slug) for slug in app_specs.SIZES]})


def _size(call: Call) -> Reply:
    if call.param("slug") not in app_specs.SIZES:
        raise NotFound(f"There is no instance size {call.param('slug')}. There are: {', '.join(app_specs.SIZES)}.")
    return Reply(body={"instance_size": _show_size(call.param("slug"))})


def _propose(call: Call) -> Reply:
    body = call.read(_Asked)
    tables = call.cloud.state.read()
    current = _APPS.find(tables, body.app_id) if body.app_id else None
    spec = _checked(call, tables, body.spec)
    free = not any(other.name == spec["name"] and other != current for other in tables.apps.values())
    static = not any(kind != "static_sites" for kind, _ in app_specs.components(spec))
    answer = {"spec": spec, "app_is_static": static, "app_name_available": free, "app_cost": app_specs.cost(spec)}
    return Reply(body=answer | ({} if free else {"app_name_suggestion": _with_suffix(spec["name"])}))


def _show_alert(alert: AppAlert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "component_name": alert.component_name,
        "spec": alert.spec,
        "emails": list(alert.emails),
        "slack_webhooks": list(alert.slack_webhooks),
        "phase": "ACTIVE",
    }


_APPS = Collection[App](path="/v2/apps", table=lambda tables: tables.apps, root="app", show=_show)

ENDPOINTS: Routes = {
    **_APPS.routes(_create, PUT=_update, DELETE=_delete),
    "/v2/apps/{id}/deployments": {"POST": _redeploy, "GET": _deployments},
    "/v2/apps/{id}/deployments/{deployment_id}": {"GET": _deployment},
    "/v2/apps/{id}/restart": {"POST": _redeploy},
    "/v2/apps/propose": {"POST": _propose},
    # No app's id.
    "/v2/apps/tiers": {},
    "/v2/apps/regions": {"GET": _regions},
    "/v2/apps/tiers/instance_sizes": {"GET": _sizes},
    "/v2/apps/tiers/instance_sizes/{slug}": {"GET": _size},
    "/v2/apps/{id}/alerts": {"GET": _alerts},
    "/v2/apps/{id}/alerts/{alert_id}/destinations": {"POST": _destinations},
}
