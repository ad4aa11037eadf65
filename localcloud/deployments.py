"""Rolling out apps. Apps do not run on the local cloud: a deployment resolves the environment, or fails to."""

import time as clock
import uuid
from typing import Any

from localcloud.bindings import Resolver, Unresolved
from localcloud.records import App, Deployment, now
from localcloud.state import Tables
from localcloud.vault import Vault

_KEPT = 50
"""Deployments an app remembers."""


def deploy(
    app: App, spec: dict[str, Any], cause: str, tables: Tables, vault: Vault, ca_certificate: str, seconds: float
) -> App:
    """The app with one more deployment, of `spec`. In `seconds` it is live, or carries the reason why it is not."""
    time = now()
    found: dict[str, Any] = {"id": str(uuid.uuid4()), "ends": clock.time() + seconds}
    try:
        environments = Resolver(app, spec, tables, vault, ca_certificate).environments()
        found["environments"] = {
            component: {key: vault.seal(value) for key, value in environment.items()}
            for component, environment in environments.items()
        }
    except Unresolved as problem:
        found["failure"] = str(problem)
    deployments = Deployment(spec=spec, cause=cause, created_at=time, updated_at=time, **found), *app.deployments
    return app.model_copy(update={"spec": spec, "updated_at": time, "deployments": deployments[:_KEPT]})


def environment(app: App, component: str, vault: Vault) -> dict[str, str]:
    """What a component of the live deployment got. Raises LookupError, saying what there is."""
    live = app.active
    if live is None:
        latest = app.deployments[0].failure if app.deployments else "it was never deployed"
        raise LookupError(f"{app.name} has no live deployment: {latest}")
    names = list(live.environments)
    if not component and len(names) == 1:
        component = names[0]
    if component not in live.environments:
        raise LookupError(f"{app.name} has no component {component!r}. It has: {', '.join(names)}.")
    return {key: vault.open(value) for key, value in live.environments[component].items()}
