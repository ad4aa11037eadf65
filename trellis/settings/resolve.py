"""Works out every figure of a system at one phase."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trellis.settings.budget import ConnectionBudget, divide
from trellis.settings.catalogue import (
    DROPLETS,
    PLANS,
    RECOVERY_DAYS,
    VOLUME_GIB_MONTHLY_USD,
    Edition,
    Phase,
    Plan,
    monthly_usd,
)
from trellis.settings.cluster import Cluster, Machine, SelfHosted, Size
from trellis.settings.duties import Check, Job
from trellis.settings.errors import SettingsError
from trellis.settings.resolved import (
    AppSettings,
    CacheSettings,
    CheckSettings,
    ClusterSettings,
    DatabaseSettings,
    DnsSettings,
    JobSettings,
    LoginSettings,
    PoolSettings,
    RecordSettings,
    Settings,
    second_login,
)
from trellis.settings.source import Source
from trellis.settings.stack import Environment, Layout, Protect, StackConfig, Standing
from trellis.settings.system import Alerts, Mode, System


def resolve(system: System, chosen: StackConfig, source: Source, root: Path) -> Settings:
    """The settings that a valid system file and a stack's config that agrees with it give together.

    Raises SettingsError for a pool that does not fit, a missing folder of SQL and the like.
    """
    dns = _dns(system, chosen)
    return Settings(
        system=system.name,
        production=chosen.environment is Environment.PRODUCTION,
        name_suffix=chosen.name_suffix,
        phase=chosen.phase,
        mode=chosen.mode,
        layout=chosen.layout,
        abandon=chosen.abandon or "",
        region=chosen.region or system.region,
        ip_range=chosen.ip_range or system.network.ip_range,
        trusted_sources=chosen.trusted_sources,
        migration_endpoint=chosen.migration_endpoint,
        protect=_protected(chosen),
        copy=chosen.copy_to,
        connection_files=root / chosen.connection_files if chosen.connection_files else None,
        ssh_keys=chosen.ssh_keys,
        prices=chosen.prices,
        clusters=tuple(
            _cluster(made_key, made, key, system, chosen, source, root)
            for key, cluster in system.clusters.items()
            for made_key, made in laid_out(key, cluster, chosen.layout)
        ),
        caches=tuple(_caches(system, chosen)),
        apps=tuple(_apps(system, chosen, dns)),
        droplets=system.droplets if chosen.droplets else {},
        dns=dns,
        backups=system.backups,
        objectives=system.objectives,
        alerts=_alerts(system, chosen),
        checks=tuple(
            CheckSettings(check=check, **_duty(name, check, system, chosen)) for name, check in system.checks.items()
        ),
        jobs=tuple(JobSettings(job=job, **_duty(name, job, system, chosen)) for name, job in system.jobs.items()),
        monitoring=chosen.monitoring,
    )


def told(system: System, chosen: StackConfig, role: str) -> tuple[str, ...]:
    """The addresses of a role in a stack: its own, else the system file's. The alerts' role has their `emails` too."""
    addresses = chosen.contacts.get(role, system.contacts.get(role, ()))
    return tuple(dict.fromkeys((*addresses, *(system.alerts.emails if role == system.alerts.tell else ()))))


def _alerts(system: System, chosen: StackConfig) -> Alerts | None:
    emails = told(system, chosen, system.alerts.tell)
    return system.alerts.model_copy(update={"emails": emails}) if emails else None


def _duty(title: str, duty: Check | Job, system: System, chosen: StackConfig) -> dict[str, Any]:
    """What checks and jobs have in common: name, cluster, pool, database, and who is told."""
    pool, database = duty.pool, duty.database if isinstance(duty, Job) else None
    key, _, name = (pool or database or "").partition(".")
    cluster = system.clusters[key]
    own = cluster.pools[name].database if pool else name
    made = {database: made for _, made in laid_out(key, cluster, chosen.layout) for database in made.databases}
    place = {"cluster": made[own].name, "pool": name if pool else None, "database": own}
    return {"name": title, "tell": told(system, chosen, duty.tell), **place}


def _protected(chosen: StackConfig) -> bool:
    if chosen.protect is Protect.PHASE:
        return chosen.phase is not Phase.LAUNCH
    return chosen.protect is Protect.ALWAYS


def _own_key(key: str, database: str) -> str:
    return f"{key}-{database.replace('_', '-')}"


def laid_out(key: str, cluster: Cluster, layout: Layout) -> Iterator[tuple[str, Cluster]]:
    """The clusters that one of the system file becomes: itself, or one for each of its databases."""
    if layout is Layout.SHARED or len(cluster.databases) == 1:
        yield key, cluster
        return
    for name, database in cluster.databases.items():
        pools = {pool: made for pool, made in cluster.pools.items() if made.database == name}
        used = {*database.roles.values(), *(pool.user for pool in pools.values())}
        yield (
            _own_key(key, name),
            cluster.model_copy(
                update={
                    "name": _own_key(cluster.name, name),
                    "databases": {name: database},
                    "users": tuple(user for user in cluster.users if user in used),
                    "pools": pools,
                }
            ),
        )


def _cluster(
    made_key: str, cluster: Cluster, key: str, system: System, chosen: StackConfig, source: Source, root: Path
) -> ClusterSettings:
    """The cluster that applications use, with the one beside it where it moves."""
    chosen_here = cluster.model_copy(update={"version": chosen.version or cluster.version})
    wanted = _stands(made_key, chosen_here, key, system, chosen, source, root)
    move = chosen.moves.get(made_key)
    if move is None:
        return wanted
    wanted = replace(wanted, generation=move.wanted)
    if move.old is None:
        return wanted
    old = replace(
        _stands(
            made_key,
            _as_deployed(cluster, move.old, chosen.phase),
            key,
            system,
            chosen.model_copy(update={"mode": move.old.mode}),
            source,
            root,
        ),
        generation=move.old.generation,
    )
    new = replace(wanted, fresh=True, restored_to=move.at or "")
    return replace(new, beside=old) if move.serving == move.wanted else replace(old, beside=new)


def _as_deployed(cluster: Cluster, before: Standing, phase: Phase) -> Cluster:
    """A cluster of the system file as it was, where the file says something else by now."""
    if before.mode is Mode.SELF_HOSTED:
        machine = Machine(droplet=before.plan, volume_gib=before.volume_gib or 1)
        own = (cluster.self_hosted or SelfHosted()).model_copy(update={"phases": {phase: machine}})
        return cluster.model_copy(update={"version": before.version, "self_hosted": own})
    size = Size(plan=before.plan, nodes=before.nodes, replicas=before.replicas, edition=before.edition)
    return cluster.model_copy(update={"version": before.version, "phases": {phase: size}})


def _stands(
    made_key: str, cluster: Cluster, key: str, system: System, chosen: StackConfig, source: Source, root: Path
) -> ClusterSettings:
    managed = chosen.mode is Mode.MANAGED
    size = cluster.size(chosen.phase) if managed else Size(plan=cluster.size(chosen.phase).plan)
    plan = _plan(cluster, chosen.phase, chosen.mode)
    edition = size.edition or chosen.edition or Edition.STANDARD
    if cluster.version not in edition.versions:
        raise SettingsError(
            f"{source.place(('clusters', key, 'version'))}: the {edition} edition has no PostgreSQL {cluster.version}. "
            f"It has {', '.join(edition.versions)}; trellis:version chooses one for a stack."
        )
    _recoverable(cluster, key, chosen.mode, source)
    budget = _budget(cluster, key, plan, chosen, source)
    nodes = monthly_usd(plan.slug, chosen.prices, size.nodes, edition) or 0
    read_only = monthly_usd(plan.slug, chosen.prices, size.replicas + (1 if chosen.copy_to else 0)) or 0
    volume_gib = 0 if managed else plan.storage_gib
    return ClusterSettings(
        key=made_key,
        name=cluster.name,
        edition=edition,
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
                seeds=_seeds(root / "migrations" / system.name / f"{name}.seeds") if chosen.seed_data else None,
            )
            for name, database in cluster.databases.items()
        ),
        pools=tuple(
            PoolSettings(name=name, database=pool.database, user=pool.user, mode=pool.mode, size=budget.pools[name])
            for name, pool in cluster.pools.items()
        ),
        budget=budget,
        maintenance=cluster.maintenance,
        backup=cluster.backup,
        settings=cluster.settings,
        self_hosted=None if managed else cluster.self_hosted,
        monthly_usd=round(nodes + read_only + volume_gib * VOLUME_GIB_MONTHLY_USD, 2),
        logins=_logins(cluster, chosen, managed=managed),
    )


def _logins(cluster: Cluster, chosen: StackConfig, *, managed: bool) -> Mapping[str, LoginSettings]:
    made = {}
    for role, state in chosen.logins.items():
        if role in cluster.users and (managed or state.round):
            names = (role, second_login(role))
            serving, resting = names if state.serves == 1 else reversed(names)
            made[role] = LoginSettings(
                serving=serving, resting=resting, both=state.changing == "both", round=state.round
            )
    return made


def _plan(cluster: Cluster, phase: Phase, mode: Mode) -> Plan:
    if mode is Mode.MANAGED or cluster.self_hosted is None:
        return PLANS[cluster.size(phase).plan]
    machine = cluster.self_hosted.machine(phase)
    return DROPLETS[machine.droplet].plan(machine.volume_gib)


def _recoverable(cluster: Cluster, key: str, mode: Mode, source: Source) -> None:
    asked = cluster.recovery_days or 0
    if mode is Mode.MANAGED and asked > RECOVERY_DAYS:
        raise SettingsError(
            f"{source.place(('clusters', key, 'recovery_days'))}: {asked} days asked; DigitalOcean keeps "
            f"{RECOVERY_DAYS} on every plan. Ask for {RECOVERY_DAYS} or less, and keep dumps for what is older."
        )
    if mode is Mode.SELF_HOSTED and asked:
        raise SettingsError(
            f"{source.place(('clusters', key, 'recovery_days'))}: a self-hosted cluster goes back to its nightly dumps "
            "only, not to any second. Take the key out, or use the mode managed."
        )


def _budget(cluster: Cluster, key: str, plan: Plan, chosen: StackConfig, source: Source) -> ConnectionBudget:
    later = ((phase, _plan(cluster, phase, chosen.mode)) for phase in Phase if phase.rank > chosen.phase.rank)
    return divide(
        where=lambda *parts: source.place(("clusters", key, *parts)),
        plan=plan,
        phase=chosen.phase,
        headroom=cluster.headroom.total,
        asked={name: pool.size for name, pool in cluster.pools.items()},
        fit={name for name, pool in cluster.pools.items() if pool.fit},
        larger=next(((phase, other) for phase, other in later if other.connections > plan.connections), None),
    )


def _folder(root: Path, relative: str, source: Source, cluster: str, database: str) -> Path:
    folder = root / "migrations" / relative
    if not folder.is_dir():
        raise SettingsError(
            f"{source.place(('clusters', cluster, 'databases', database))}: there is no folder migrations/{relative}. "
            "Make it, or name another with the key `migrations`."
        )
    return folder


def _seeds(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _caches(system: System, chosen: StackConfig) -> Iterator[CacheSettings]:
    for key, cache in system.caches.items():
        if cache.optional and key not in chosen.caches:
            continue
        size = cache.size(chosen.phase)
        plan = PLANS[size.plan]
        yield CacheSettings(
            key=key,
            cache=cache,
            plan=plan,
            nodes=size.nodes,
            monthly_usd=monthly_usd(plan.slug, chosen.prices, size.nodes) or 0,
        )


def _dns(system: System, chosen: StackConfig) -> DnsSettings | None:
    if system.dns is None:
        return None
    zone = chosen.dns_zone or system.dns.zone
    return DnsSettings(
        zone=zone,
        records=tuple(
            RecordSettings(
                key=host,
                host=chosen.hosts.get(host, host.removesuffix(system.dns.zone) + zone),
                app=record.app,
                proxied=record.proxied,
            )
            for host, record in system.dns.records.items()
        ),
    )


def _apps(system: System, chosen: StackConfig, dns: DnsSettings | None) -> Iterator[AppSettings]:
    records = dns.records if dns else ()
    built: Mapping[str, bool] = {
        key: not cache.optional or key in chosen.caches for key, cache in system.caches.items()
    }
    for name in system.apps_in_order():
        app = system.apps[name]
        key, _, pool = (app.pool or "").partition(".")
        cluster = key
        if pool and chosen.layout is Layout.PER_DATABASE and len(system.clusters[key].databases) > 1:
            cluster = _own_key(key, system.clusters[key].pools[pool].database)
        yield AppSettings(
            name=name,
            app=app,
            tag=chosen.image_tags.get(name, app.image.tag),
            cluster=cluster or None,
            pool=pool or None,
            cache=app.cache if app.cache and built[app.cache] else None,
            domains=tuple(record.host for record in records if record.app == name),
        )
