"""A cluster that keeps the policies, with as many pools as make up the number of resources asked for."""

import os

import pulumi_digitalocean as digitalocean

# The cluster, its network, trusted sources, four alerts, database and user.
AROUND = 9

network = digitalocean.Vpc("shop", name="shop", region="nyc1", ip_range="10.9.0.0/16")
cluster = digitalocean.DatabaseCluster(
    "shop",
    name="shop",
    engine="pg",
    version="17",
    size="db-s-6vcpu-16gb",
    node_count=1,
    region="nyc1",
    private_network_uuid=network.id,
    maintenance_windows=[{"day": "sunday", "hour": "04:00"}],
    tags=["shop"],
)
digitalocean.DatabaseFirewall("shop", cluster_id=cluster.id, rules=[{"type": "ip_addr", "value": network.ip_range}])
for kind in ("cpu_alerts", "memory_utilization_alerts", "disk_utilization_alerts", "load_15_alerts"):
    digitalocean.MonitorAlert(
        f"shop-{kind}",
        type=f"v1/dbaas/alerts/{kind}",
        compare="GreaterThan",
        value=80,
        window="5m",
        entities=[cluster.id],
        description=kind,
        alerts={"emails": ["ops@shop.example"]},
    )
database = digitalocean.DatabaseDb("shop", name="shop", cluster_id=cluster.id)
user = digitalocean.DatabaseUser("shop", name="shop", cluster_id=cluster.id)
for number in range(int(os.environ["RESOURCES"]) - AROUND):
    digitalocean.DatabaseConnectionPool(
        f"pool-{number}",
        name=f"pool-{number}",
        cluster_id=cluster.id,
        db_name=database.name,
        user=user.name,
        mode="transaction",
        size=1,
    )
