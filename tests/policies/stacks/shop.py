"""A small shop on DigitalOcean that keeps every policy. A program breaks one by naming what it does otherwise."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_digitalocean as digitalocean
from pulumi import dynamic

ALERTS = ("cpu_alerts", "memory_utilization_alerts", "disk_utilization_alerts", "load_15_alerts")
LOGIN = "postgresql://${db.USERNAME}:${db.PASSWORD}"


class _Migrator(dynamic.ResourceProvider):
    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("migrated", props)


class Migrations(dynamic.Resource, module="migrations", name="Migrations"):
    """Stands for whatever migrates a schema."""


def shop(
    *,
    vpc: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
    cluster_options: Mapping[str, Any] | None = None,
    trusted: Sequence[Sequence[dict[str, Any]]] | None = None,
    pools: Sequence[Mapping[str, Any]] = ({},),
    alerts: Sequence[str] = ALERTS,
    spec: Mapping[str, Any] | None = None,
    environment: Sequence[Mapping[str, Any]] = (),
    uri: pulumi.Input[str] | None = None,
    bucket: Mapping[str, Any] | None = None,
    password: pulumi.Input[str] | None = None,
    replicas: int = 1,
    guarded: bool = True,
    migrated: bool = True,
    pooled: bool = True,
) -> None:
    """Registers everything. A mapping changes single properties; None among them removes one.

    trusted: the rules of each DatabaseFirewall. uri: the app's connection; by default the pool's, whose host only `up`
    will know. password: what migrations log in with; by default the user's. guarded: migrations wait for trusted
    sources. migrated: pools and app wait for migrations. pooled: the app is told a pool.
    """
    kept = pulumi.ResourceOptions(protect=True)
    network = digitalocean.Vpc(
        "shop-vpc", **_changed({"name": "shop-vpc", "region": "nyc1", "ip_range": "10.9.0.0/16"}, vpc), opts=kept
    )
    database = digitalocean.DatabaseCluster(
        "shop-db",
        **_changed(
            {
                "name": "shop-db",
                "engine": "pg",
                "version": "17",
                "size": "db-s-2vcpu-4gb",
                "node_count": 1,
                "region": "nyc1",
                "private_network_uuid": network.id,
                "maintenance_windows": [{"day": "sunday", "hour": "04:00"}],
                "tags": ["shop"],
            },
            cluster,
        ),
        opts=pulumi.ResourceOptions(**{"protect": True, **(cluster_options or {})}),
    )
    schema = digitalocean.DatabaseDb("shop", name="shop", cluster_id=database.id, opts=kept)
    user = digitalocean.DatabaseUser("shop-app", name="shop_app", cluster_id=database.id)
    lists: Any = [[{"type": "ip_addr", "value": network.ip_range}]] if trusted is None else trusted
    firewalls = [
        digitalocean.DatabaseFirewall(f"shop-trusted-{number}", cluster_id=database.id, rules=rules)
        for number, rules in enumerate(lists)
    ]
    migrations = Migrations(
        _Migrator(),
        "shop-migrations",
        {"target": database.id, "password": user.password if password is None else password},
        pulumi.ResourceOptions(depends_on=[schema, *(firewalls if guarded else [])]),
    )
    made = [
        digitalocean.DatabaseConnectionPool(
            f"shop-pool-{number}",
            **_changed(
                {
                    "name": "shop-pool",
                    "cluster_id": database.id,
                    "db_name": schema.name,
                    "user": user.name,
                    "mode": "transaction",
                    "size": 20,
                },
                pool,
            ),
            opts=pulumi.ResourceOptions(depends_on=[migrations] if migrated else []),
        )
        for number, pool in enumerate(pools)
    ]
    for number in range(replicas):
        digitalocean.DatabaseReplica(
            f"shop-replica-{number}",
            name=f"shop-replica-{number}",
            cluster_id=database.id,
            size="db-s-2vcpu-4gb",
            region="nyc1",
            private_network_uuid=network.id,
        )
    for kind in alerts:
        digitalocean.MonitorAlert(
            f"shop-{kind.replace('_', '-')}",
            type=f"v1/dbaas/alerts/{kind}",
            compare="GreaterThan",
            value=80,
            window="5m",
            entities=[database.id],
            description=kind,
            alerts={"emails": ["ops@shop.example"]},
            enabled=True,
        )
    connection = [{"key": "DATABASE_URL", "value": _pooled(made[0]) if uri is None else uri}]
    if pooled:
        connection.append({"key": "DATABASE_POOL", "value": made[0].name})
    digitalocean.App(
        "shop-web",
        spec=_spec(network, database, user, [*connection, *environment], spec or {}),
        opts=pulumi.ResourceOptions(depends_on=[migrations] if migrated else []),
    )
    digitalocean.SpacesBucket(
        "shop-backups",
        **_changed(
            {
                "name": "shop-backups",
                "region": "nyc3",
                "acl": "private",
                "versioning": {"enabled": True},
                "lifecycle_rules": [{"enabled": True, "expiration": {"days": 30}}],
            },
            bucket,
        ),
        opts=kept,
    )


def _pooled(pool: digitalocean.DatabaseConnectionPool) -> pulumi.Output[str]:
    return pulumi.Output.concat(f"{LOGIN}@", pool.private_host, ":25061/", pool.name, "?sslmode=verify-full")


def _spec(
    network: digitalocean.Vpc,
    database: digitalocean.DatabaseCluster,
    user: digitalocean.DatabaseUser,
    environment: Sequence[Mapping[str, Any]],
    changes: Mapping[str, Any],
) -> Any:
    attached = {
        "name": "db",
        "engine": "PG",
        "production": True,
        "cluster_name": database.name,
        "db_name": "shop",
        "db_user": user.name,
    }
    service = {
        "name": "shop-web",
        "image": {"registry_type": "DOCR", "repository": "shop-web", "tag": "1"},
        "instance_count": 1,
        "instance_size_slug": "apps-s-1vcpu-1gb",
        "envs": [{"scope": "RUN_TIME", "type": "GENERAL", **variable} for variable in environment],
    }
    spec = {
        "name": "shop-web",
        "region": "nyc",
        "vpcs": [{"id": network.id}],
        "databases": [_changed(attached, changes.get("database"))],
        "services": [service],
    }
    return _changed(spec, {key: value for key, value in changes.items() if key != "database"})


def _changed(properties: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    together = {**properties, **(changes or {})}
    return {key: value for key, value in together.items() if value is not None}
