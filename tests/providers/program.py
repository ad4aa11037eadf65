"""A program with every kind of resource that a system needs."""

import pulumi
import pulumi_cloudflare as cloudflare
import pulumi_digitalocean as digitalocean
import pulumi_random as random

config = pulumi.Config()
net = digitalocean.Vpc("net", name="villa-net", region="nyc1", ip_range="10.0.0.0/16")
main = digitalocean.DatabaseCluster(
    "main",
    name="villa",
    engine="pg",
    version="17",
    size=config.require("size"),
    region="nyc1",
    node_count=1,
    private_network_uuid=net.id,
    tags=["villa", "development"],
    maintenance_windows=[{"day": "sunday", "hour": "02:00"}],
)
database = digitalocean.DatabaseDb("villa", cluster_id=main.id, name="villa")
user = digitalocean.DatabaseUser("app", cluster_id=main.id, name="app")
sources = digitalocean.DatabaseFirewall(
    "sources",
    cluster_id=main.id,
    rules=[{"type": "ip_addr", "value": "127.0.0.0/8"}, {"type": "ip_addr", "value": net.ip_range}],
)
pool = digitalocean.DatabaseConnectionPool(
    "pool",
    cluster_id=main.id,
    name="villa-pool",
    mode="transaction",
    size=config.get_int("pool_size") or 10,
    db_name=database.name,
    user=user.name,
    opts=pulumi.ResourceOptions(depends_on=[sources]),
)
if config.get_bool("replica"):
    abroad = digitalocean.Vpc("abroad", name="villa-abroad", region="ams3", ip_range="10.1.0.0/16")
    digitalocean.DatabaseReplica(
        "reads",
        cluster_id=main.id,
        name="villa-reads",
        region="ams3",
        size=config.require("size"),
        private_network_uuid=abroad.id,
    )
app = digitalocean.App(
    "api",
    spec={
        "name": "villa-api",
        "region": "nyc",
        "vpcs": [{"id": net.id}],
        "databases": [
            {
                "name": "villa-db",
                "engine": "PG",
                "production": True,
                "cluster_name": main.name,
                "db_name": database.name,
                "db_user": user.name,
            }
        ],
        "services": [
            {
                "name": "api",
                "image": {"registry_type": "DOCKER_HUB", "registry": "library", "repository": "nginx", "tag": "1"},
                "http_port": 8080,
                "instance_count": 1,
                "instance_size_slug": "basic-xxs",
                "health_check": {"http_path": "/health"},
                "envs": [
                    {
                        "key": "DATABASE_URL",
                        "value": pulumi.Output.concat(
                            "postgresql://${villa-db.USERNAME}:${villa-db.PASSWORD}@", pool.private_host, "/villa-pool"
                        ),
                        "scope": "RUN_TIME",
                        "type": "GENERAL",
                    },
                    {"key": "CA", "value": "${villa-db.CA_CERT}", "scope": "RUN_TIME", "type": "GENERAL"},
                ],
            }
        ],
    },
)
digitalocean.MonitorAlert(
    "cpu",
    type="v1/dbaas/alerts/cpu_alerts",
    compare="GreaterThan",
    value=80,
    window="5m",
    description="CPU above 80 %",
    alerts={"emails": ["ops@villa.test"]},
    entities=[main.id],
)
zone = cloudflare.get_zone_output(filter={"name": config.require("zone"), "match": "all"})
cloudflare.DnsRecord(
    "site",
    zone_id=zone.zone_id,
    name=f"api.{config.require('zone')}",
    type="CNAME",
    content=app.default_ingress.apply(lambda url: url.removeprefix("https://").removeprefix("http://").split(":")[0]),
    ttl=1,
    proxied=True,
)
password = random.RandomPassword("password", length=24)

pulumi.export("ca", digitalocean.get_database_ca_output(cluster_id=main.id).certificate)
pulumi.export("direct_uri", main.uri)
pulumi.export("pooled_uri", pool.private_uri)
pulumi.export("password", password.result)
pulumi.export("zone_status", zone.status)
