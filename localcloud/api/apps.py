"""/v2/apps: App Platform apps and their deployments."""

import secrets
import string
import uuid
from typing import Any

from localcloud import app_specs, catalogue
from localcloud.api.call import Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.databases.checks import project
from localcloud.api.errors import Conflict, NotFound, Unprocessable
from localcloud.api.paging import page
from localcloud.deployments import deploy
from localcloud.records import App, AppAlert, Deployment, now
from localcloud.state import Tables

_SUFFIX = string.ascii_lowercase + string.digits


class _Create(Body):
    spec: dict[str, Any]
    project_id: str | None = None


class _Update(Body):
    spec: dict[str, Any]


class _Destinations(Body):
    emails: list[str] | None = None
    slack_webhooks: list[dict[str, Any]] | None = None


def _create(call: Call) -> Reply:
    body = call.read(_Create)
    with call.cloud.state.transaction() as tables:
        spec = _accepted(call, tables, body.spec, None)
        suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
        app = App(
            id=str(uuid.uuid4()),
            spec=spec,
            ingress_host=f"{spec['name']}-{suffix}.ondigitalocean.app",
            project_id=project(tables, body.project_id or ""),
            created_at=now(),
            updated_at=now(),
        )
        app = _rolled_out(call, tables, app, spec, "manual")
    return _APPS.reply(call, app)


def _update(call: Call) -> Reply:
    body = call.read(_Update)
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
        app = _rolled_out(call, tables, app, app.spec, "manual")
    return Reply(body={"deployment": _show_deployment(app, app.deployments[0])})


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
    try:
        app_specs.check(spec, tables)
        kept = app_specs.seal(app_specs.complete(spec), call.cloud.vault)
    except app_specs.SpecRefused as problem:
        raise Unprocessable(str(problem)) from problem
    for other in tables.apps.values():
        if other.name == spec["name"] and other is not current:
            raise Conflict(f"An app called {other.name} exists already; app names are unique in an account.")
    return kept


def _rolled_out(call: Call, tables: Tables, app: App, spec: dict[str, Any], cause: str) -> App:
    app = deploy(app, spec, cause, tables, call.cloud.vault, call.cloud.fleet.authority.pem)
    app = app.model_copy(update={"alerts": _kept_alerts(app)})
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


def _show(_call: Call, app: App) -> dict[str, Any]:
    url = f"https://{app.ingress_host}"
    shown: dict[str, Any] = {
        "id": app.id,
        "owner_uuid": "",
        "project_id": app.project_id,
        "spec": app.spec,
        "default_ingress": url,
        "live_url": url if app.active else "",
        "live_url_base": url if app.active else "",
        "live_domain": app.ingress_host if app.active else "",
        "created_at": app.created_at,
        "updated_at": app.updated_at,
        "tier_slug": "basic",
    }
    if app.spec.get("region"):
        slug = app.spec["region"]
        centers = [region.slug for region in catalogue.REGIONS.values() if region.app_region == slug]
        shown["region"] = {"slug": slug, "data_centers": centers}
    if app.deployments:
        shown["last_deployment_created_at"] = app.deployments[0].created_at
    if app.active:
        shown["active_deployment"] = _show_deployment(app, app.active)
    return shown


def _show_deployment(app: App, deployment: Deployment) -> dict[str, Any]:
    phase = "ERROR" if deployment.failure else "ACTIVE" if deployment is app.active else "SUPERSEDED"
    step: dict[str, Any] = {
        "name": "deploy",
        "status": "ERROR" if deployment.failure else "SUCCESS",
        "started_at": deployment.created_at,
        "ended_at": deployment.updated_at,
    }
    if deployment.failure:
        step["reason"] = {"code": "InvalidEnvironment", "message": deployment.failure}
    return {
        "id": deployment.id,
        "spec": deployment.spec,
        "cause": deployment.cause,
        "phase": phase,
        "phase_last_updated_at": deployment.updated_at,
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
        "progress": {
            "success_steps": 0 if deployment.failure else 1,
            "error_steps": 1 if deployment.failure else 0,
            "pending_steps": 0,
            "running_steps": 0,
            "total_steps": 1,
            "steps": [step],
            "summary_steps": [step],
        },
        "tier_slug": "basic",
    }


def _show_alert(alert: AppAlert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "component_name": alert.component_name,
        "spec": alert.spec,
        "emails": list(alert.emails),
        "slack_webhooks": list(alert.slack_webhooks),
        "phase": "ACTIVE",
    }


_APPS = Collection[App](
    path="/v2/apps", table=lambda tables: tables.apps, root="app", roots="apps", noun="app", show=_show
)

ENDPOINTS: Routes = {
    **_APPS.routes(_create, PUT=_update, DELETE=_delete),
    "/v2/apps/{id}/deployments": {"POST": _redeploy, "GET": _deployments},
    "/v2/apps/{id}/deployments/{deployment_id}": {"GET": _deployment},
    "/v2/apps/{id}/alerts": {"GET": _alerts},
    "/v2/apps/{id}/alerts/{alert_id}/destinations": {"POST": _destinations},
}
