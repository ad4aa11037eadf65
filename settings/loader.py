"""Reads a stack's config and its system file, checks one against the other and works out the figures."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from settings.budget import divide
from settings.catalogue import PLANS, Phase
from settings.errors import SettingsError
from settings.explain import explain
from settings.resolved import AppSettings, ClusterSettings, DatabaseSettings, PoolSettings, Settings
from settings.source import Location, Source, read
from settings.stack import Protect, StackConfig
from settings.system import Cluster, System

NAMESPACE = "trellis"


def load(config: Mapping[str, str], root: Path, *, stack: str) -> Settings:
    """The settings of one stack.

    config: the stack's config as Pulumi hands it over: every key with its namespace, every value as text,
        lists and mappings as JSON.
    root: the folder that holds systems/ and migrations/.
    stack: the stack's name, for errors.

    Raises SettingsError, with one line a complaint, before anything is built.
    """
    chosen = _stack_config(config, f"Pulumi.{stack}.yaml")
    source = read(_system_file(chosen.system, root, stack), name=f"systems/{chosen.system}.yaml")
    try:
        system = System.model_validate(source.data)
    except ValidationError as error:
        raise SettingsError(explain(error, System, source.place)) from error
    _agree(chosen, system, source, stack)
    clusters = tuple(_cluster(key, cluster, system, chosen, source, root) for key, cluster in system.clusters.items())
    return Settings(
        system=system.name,
        phase=chosen.phase,
        region=chosen.region or system.region,
        ip_range=chosen.ip_range or system.network.ip_range,
        trusted_sources=chosen.trusted_sources,
        migration_endpoint=chosen.migration_endpoint,
        protect=_protected(chosen),
        clusters=clusters,
        apps=tuple(_apps(system, chosen)),
        dns=system.dns,
        alerts=system.alerts,
    )


def _protected(chosen: StackConfig) -> bool:
    if chosen.protect is Protect.PHASE:
        return chosen.phase is not Phase.LAUNCH
    return chosen.protect is Protect.ALWAYS


def _stack_config(config: Mapping[str, str], file: str) -> StackConfig:
    def place(location: Location) -> str:
        key, *rest = (str(part) for part in location)
        return f"{file}, {'.'.join([f'{NAMESPACE}:{key}', *rest])}"

    values = {key.partition(":")[2]: _value(text) for key, text in config.items() if key.startswith(NAMESPACE + ":")}
    try:
        return StackConfig.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, StackConfig, place)) from error


def _value(text: str) -> Any:
    # Pulumi hands lists, mappings, numbers and booleans over as JSON and strings as they are.
    if text[:1] in ("[", "{") or text in ("true", "false"):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _system_file(name: str, root: Path, stack: str) -> Path:
    known = sorted(path.stem for path in (root / "systems").glob("*.yaml"))
    if name not in known:
        raise SettingsError(
            f"Pulumi.{stack}.yaml, {NAMESPACE}:system: there is no system {name!r}. "
            f"Known: {', '.join(known) or 'none'} (the files in systems/)."
        )
    return root / "systems" / f"{name}.yaml"


def _agree(chosen: StackConfig, system: System, source: Source, stack: str) -> None:
    file = f"Pulumi.{stack}.yaml"
    if system.name != chosen.system:
        raise SettingsError(f"{source.place(('name',))}: {system.name!r}; a system is named like its file.")
    if chosen.mode not in system.modes:
        raise SettingsError(
            f"{file}, {NAMESPACE}:mode: {system.name} does not offer {chosen.mode.value!r}. "
            f"Offered in {source.name}: {', '.join(system.modes)}."
        )
    if chosen.phase is not Phase.LAUNCH:
        for value in chosen.trusted_sources:
            if IPv4Network(value).prefixlen == 0:
                raise SettingsError(
                    f"{file}, {NAMESPACE}:trustedSources: {value} admits the whole internet, "
                    f"which the phase {chosen.phase} does not allow. Name addresses or ranges."
                )
    for name in chosen.image_tags:
        if name not in system.apps:
            raise SettingsError(
                f"{file}, {NAMESPACE}:imageTags.{name}: {system.name} has no such app. "
                f"Known: {', '.join(system.apps) or 'none'}."
            )


def _cluster(
    key: str, cluster: Cluster, system: System, chosen: StackConfig, source: Source, root: Path
) -> ClusterSettings:
    size = cluster.size(chosen.phase)
    plan = PLANS[size.plan]
    where = source.place(("clusters", key))
    budget = divide(
        where=where,
        plan=plan,
        phase=chosen.phase,
        headroom=cluster.headroom.total,
        asked={name: pool.size for name, pool in cluster.pools.items()},
        larger=next(
            (
                (phase, PLANS[cluster.size(phase).plan])
                for phase in Phase
                if phase.rank > chosen.phase.rank and PLANS[cluster.size(phase).plan].connections > plan.connections
            ),
            None,
        ),
    )
    return ClusterSettings(
        key=key,
        name=cluster.name,
        engine=cluster.engine,
        version=cluster.version,
        plan=plan,
        nodes=size.nodes,
        replicas=size.replicas,
        users=cluster.users,
        databases=tuple(
            DatabaseSettings(
                name=name,
                migrations=_folder(root, database.migrations or f"{system.name}/{name}", source, key, name),
                roles=database.roles,
            )
            for name, database in cluster.databases.items()
        ),
        pools=tuple(
            PoolSettings(name=name, database=pool.database, user=pool.user, mode=pool.mode, size=budget.pools[name])
            for name, pool in cluster.pools.items()
        ),
        budget=budget,
        maintenance=cluster.maintenance,
        monthly_usd=size.nodes * chosen.prices.get(plan.slug, plan.monthly_usd)
        + size.replicas * plan.replica_monthly_usd,
    )


def _folder(root: Path, relative: str, source: Source, cluster: str, database: str) -> Path:
    folder = root / "migrations" / relative
    if not folder.is_dir():
        raise SettingsError(
            f"{source.place(('clusters', cluster, 'databases', database))}: there is no folder migrations/{relative}. "
            "Make it, or name another with the key `migrations`."
        )
    return folder


def _apps(system: System, chosen: StackConfig) -> list[AppSettings]:
    records = system.dns.records if system.dns else {}
    apps = []
    for name, app in system.apps.items():
        cluster, _, pool = (app.pool or "").partition(".")
        apps.append(
            AppSettings(
                name=name,
                app=app,
                tag=chosen.image_tags.get(name, app.image.tag),
                cluster=cluster or None,
                pool=pool or None,
                domains=tuple(host for host, record in records.items() if record.app == name),
            )
        )
    return apps
