"""Apps on App Platform: deployed, waited for, and read back."""

from collections.abc import Mapping
from typing import Any

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.app_spec import DOMAINS, SPEC
from localcloud.providers.http import quoted
from localcloud.providers.operations import fill, known
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, ResourceType, State, each, integer, objects, text
from localcloud.providers.values import decode, encode, go_time, sort_set

POLL_SECONDS = 10.0
DEPLOYED_TIMEOUT_SECONDS = 30 * 60.0
COMPONENTS = ("services", "workers", "jobs", "functions")


def spec_body(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """The API's JSON for a spec."""
    if not spec:
        return {}
    body = encode(SPEC.fields, spec)
    if not spec.get("domainNames") and spec.get("domains"):
        body["domains"] = [{"domain": domain} for domain in spec["domains"]]
    return body


def _body(plan: Plan) -> dict[str, Any]:
    body: dict[str, Any] = {"spec": spec_body(known_spec(plan))}
    if plan.get("projectId"):
        body["project_id"] = plan.get("projectId")
    return body


def known_spec(plan: Plan) -> Mapping[str, Any] | None:
    """The planned spec without what only the API can tell."""
    spec = known(plan.state).get("spec")
    return spec if isinstance(spec, Mapping) else None


def _wait_until_deployed(context: Context, plan: Plan, app: Mapping[str, Any]) -> None:
    """Waits until every step of the deployment has succeeded.

    The deployment is the one the answer names, or, where it names none, the app's newest one. Raises RuntimeError
    with the failed steps.
    """
    identity = str(app["id"])
    pending = {"id": str((app.get("pending_deployment") or {}).get("id") or "")}

    def deployed() -> bool:
        path = f"/v2/apps/{quoted(identity)}/deployments"
        if pending["id"]:
            deployment = context.api.get(f"{path}/{quoted(pending['id'])}")["deployment"]
        else:
            newest = context.api.get(f"{path}?per_page={plan.get('deploymentPerPage')}").get("deployments") or []
            if not newest:
                return False
            deployment = newest[0]
            pending["id"] = str(deployment["id"])
        progress = deployment.get("progress") or {}
        steps = progress.get("steps") or []
        if all(step.get("status") == "SUCCESS" for step in steps):
            return True
        if progress.get("error_steps"):
            raise RuntimeError(f"deployment {pending['id']} of app {identity} failed: {_failures(steps)}")
        return False

    what = f"app {identity} to be deployed"
    context.wait(what, deployed, interval=POLL_SECONDS, timeout=DEPLOYED_TIMEOUT_SECONDS)


def _failures(steps: list[Mapping[str, Any]]) -> str:
    """Which steps failed and what each says of it, the innermost ones."""
    told = []
    for step in steps:
        if step.get("status") == "ERROR":
            inner = _failures(step.get("steps") or [])
            reason = (step.get("reason") or {}).get("message") or ""
            told.append(inner or f"{step.get('name', 'a step')}{': ' if reason else ''}{reason}")
    return "; ".join(told)


def _alert_destinations(context: Context, plan: Plan, identity: str) -> None:
    """Tells the API who hears of each alert that names somebody."""
    spec = known_spec(plan) or {}
    alerts = [alert for alert in _alerts(spec) if any((alert.get("destinations") or {}).values())]
    if not alerts:
        return
    path = f"/v2/apps/{quoted(identity)}/alerts"
    existing = context.api.get(path).get("alerts") or []
    for alert in alerts:
        told = alert["destinations"]
        body = {
            "emails": told.get("emails") or [],
            "slack_webhooks": [
                {"url": hook["url"], "channel": hook["channel"]} for hook in told.get("slackWebhooks") or []
            ],
        }
        for found in existing:
            if found["spec"]["rule"] == alert["rule"]:
                context.api.call("POST", f"{path}/{quoted(found['id'])}/destinations", body)


def _settle(context: Context, plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    _wait_until_deployed(context, plan, answer)
    _alert_destinations(context, plan, state["id"])


def _update(context: Context, plan: Plan) -> None:
    if plan.changed("spec"):
        body = {"spec": spec_body(known_spec(plan)), "update_all_source_versions": False}
        app = context.api.call("PUT", fill(APP.item, plan.state), body)["app"]
        _wait_until_deployed(context, plan, app)
        _alert_destinations(context, plan, plan.id)


def _finish(_context: Context, state: State, answer: Mapping[str, Any]) -> None:
    state["appUrn"] = f"do:app:{state['id']}"
    state["activeDeploymentId"] = (answer.get("active_deployment") or {}).get("id", "")
    found = answer.get("spec") or {}
    before = state.get("spec") or {}
    spec = decode(SPEC.fields, found)
    spec["domains"] = sort_set(DOMAINS, [domain["domain"] for domain in found.get("domains") or []])
    if not before.get("domainNames"):
        # One of the two ways to give domains is enough: the other would be sent back as if the program had.
        spec["domainNames"] = []
    state["spec"] = spec


def _alerts(spec: Mapping[str, Any]) -> list[Any]:
    """The alerts of an app and of its components."""
    alerts = list(spec.get("alerts") or [])
    for kind in COMPONENTS:
        for component in spec.get(kind) or []:
            alerts += component.get("alerts") or []
    return alerts


APP = ResourceType(
    token="digitalocean:index/app:App",  # noqa: S106
    noun="app",
    collection="/v2/apps",
    root="app",
    properties=(
        SPEC,
        text("projectId", Mode.OPTIONAL_COMPUTED, replace=True),
        objects("dedicatedIps", (*each(text, "ip id status", Mode.OPTIONAL_COMPUTED),), mode=Mode.OPTIONAL_COMPUTED),
        integer("deploymentPerPage", default=20, received=False),
        *each(text, "defaultIngress liveUrl liveDomain", Mode.COMPUTED),
        *each(text, "activeDeploymentId appUrn", Mode.COMPUTED, received=False),
        *each(text, "updatedAt createdAt", Mode.COMPUTED, decode=go_time),
    ),
    body=_body,
    settle=_settle,
    finish=_finish,
    update=_update,
)
