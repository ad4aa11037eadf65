"""The resources of Villa at launch as a flat script would have them. Names differ, so that both fit one account."""

import pulumi
import pulumi_cloudflare as cloudflare
import pulumi_digitalocean as digitalocean

vpc = digitalocean.Vpc("flat", name="flat-vpc", region="nyc1", ip_range="10.1.0.0/16")
cluster = digitalocean.DatabaseCluster(
    "flat-db",
    name="flat-db",
    engine="pg",
    version="17",
    size="db-s-1vcpu-1gb",
    storage_size_mib="10240",
    node_count=1,
    region="nyc1",
    private_network_uuid=vpc.id,
)
database = digitalocean.DatabaseDb("flat", name="flat", cluster_id=cluster.id)
user = digitalocean.DatabaseUser("flat-app", name="flat_app", cluster_id=cluster.id)
authority = digitalocean.get_database_ca_output(cluster_id=cluster.id)
digitalocean.DatabaseFirewall(
    "flat-trusted",
    cluster_id=cluster.id,
    rules=[
        digitalocean.DatabaseFirewallRuleArgs(type="ip_addr", value=value) for value in ("10.1.0.0/16", "127.0.0.1")
    ],
)
pool = digitalocean.DatabaseConnectionPool(
    "flat-pool",
    name="flat-pool",
    cluster_id=cluster.id,
    db_name=database.name,
    user=user.name,
    mode="transaction",
    size=17,
)
for kind, value in (("cpu", 80), ("memory_utilization", 90), ("disk_utilization", 80), ("load_15", 4)):
    digitalocean.MonitorAlert(
        f"flat-{kind}",
        type=f"v1/dbaas/alerts/{kind}_alerts",
        compare="GreaterThan",
        value=value,
        window="5m",
        entities=[cluster.id],
        description=f"flat {kind}",
        alerts=digitalocean.MonitorAlertAlertsArgs(emails=["ops@villa.cash"]),
        enabled=True,
    )
zone = cloudflare.get_zone_output(filter=cloudflare.GetZoneFilterArgs(match="all", name="villa.cash"))
for name in ("flat-web", "flat-api"):
    app = digitalocean.App(
        name,
        spec=digitalocean.AppSpecArgs(
            name=name,
            region="nyc",
            vpcs=[digitalocean.AppSpecVpcArgs(id=vpc.id)],
            services=[
                digitalocean.AppSpecServiceArgs(
                    name=name,
                    image=digitalocean.AppSpecServiceImageArgs(registry_type="DOCR", repository=name, tag="latest"),
                    http_port=8080,
                    instance_count=1,
                    instance_size_slug="apps-s-1vcpu-0.5gb",
                )
            ],
        ),
    )
    cloudflare.DnsRecord(
        name,
        zone_id=zone.zone_id,
        name=f"{name}.villa.cash",
        type="CNAME",
        content=app.default_ingress.apply(lambda url: url.removeprefix("https://").rstrip("/")),
        ttl=1,
        proxied=True,
    )
pulumi.export("ca", authority.certificate)
