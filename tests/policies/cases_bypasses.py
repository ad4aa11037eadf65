"""Ways past a policy that somebody tried: each breaks the policy that names what it does."""

import base64
from typing import Any

from policies.kinds import (
    BUCKET,
    BUCKET_POLICY,
    CLOUD_FIREWALL,
    CLUSTER,
    DROPLET,
    DROPLET_AUTOSCALE,
    FIREWALL,
    KUBERNETES,
    LOAD_BALANCER,
    NFS,
    PHASE,
    SPACES_KEY,
)
from tests.policies.cases_apps import PRIVATE, app, uri, variable
from tests.policies.cases_clusters import GROWTH, cluster, trusted
from tests.policies.judging import UNKNOWN, Case, made

HIDDEN = base64.b64encode(b"#!/bin/sh\napt-get install --yes postgresql-17\n").decode()
PARTS = ["198.51.0.0/17", "198.51.128.0/17", "198.50.0.0/16"]


def balancer(**properties: Any) -> Any:
    """A load balancer that hands PostgreSQL's port on to Droplets."""
    rules = [{"entryPort": 5432, "entryProtocol": "tcp", "targetPort": 5432, "targetProtocol": "tcp"}]
    return made(LOAD_BALANCER, "lb", {"name": "lb", "forwardingRules": rules, **properties})


def autoscaled(**template: Any) -> Any:
    """Droplets by template."""
    config = {"minInstances": 1, "maxInstances": 40}
    properties = {"name": "pool", "config": config, "dropletTemplate": {"size": "s-8vcpu-16gb", **template}}
    return made(DROPLET_AUTOSCALE, "pool", properties)


def droplet(**properties: Any) -> Any:
    """A Droplet on its own."""
    return made(DROPLET, "one", {"name": "one", **properties})


def in_app(key: str, value: str, kind: str | None = None, **spec: Any) -> Any:
    """An app with one variable."""
    return app(variable(key, value, kind), **spec)


def attached(**database: Any) -> dict[str, Any]:
    """A cluster in an app's spec."""
    return {"name": "db", "clusterName": "db", "production": True, **database}


CASES = (
    Case(
        policy="trusted-source-range",
        title="1 a type in capitals",
        resources=[trusted({"type": "IP_ADDR", "value": "0.0.0.0/0"})],
        breaks="whole internet",
    ),
    Case(
        policy="trusted-source-range",
        title="2 half of the internet, twice",
        resources=[trusted({"type": "ip_addr", "value": "0.0.0.0/1"}, {"type": "ip_addr", "value": "128.0.0.0/1"})],
        breaks="wider than a /16",
    ),
    Case(
        policy="trusted-source-range",
        title="3 a wide range in parts",
        resources=[trusted(*({"type": "ip_addr", "value": one} for one in PARTS))],
        settings={"widestPrefix": 16},
        breaks="198.50.0.0/15",
    ),
    Case(
        policy="trusted-source-tag",
        title="4 a tag in capitals",
        resources=[trusted({"type": "Tag", "value": "web"})],
        breaks="every Droplet with the tag",
    ),
    Case(
        policy="droplet-database-ports",
        title="5 by way of a load balancer",
        resources=[balancer()],
        breaks="lb opens 5432 to everybody",
    ),
    Case(policy="droplet-database-ports", title="5 a load balancer inside", resources=[balancer(network="INTERNAL")]),
    Case(
        policy="droplet-database-ports",
        title="5 a load balancer with sources",
        resources=[balancer(firewall={"allows": ["ip:198.51.100.7", "cidr:10.0.0.0/16"]})],
    ),
    Case(
        policy="droplet-database-ports",
        title="5 a load balancer with wide sources",
        resources=[balancer(firewall={"allows": ["cidr:0.0.0.0/0"]})],
        breaks="lb opens 5432 to 0.0.0.0/0",
    ),
    Case(
        policy="droplet-database-ports",
        title="5 a load balancer, rules to come",
        resources=[balancer(forwardingRules=UNKNOWN)],
        waits=["forwardingRules"],
    ),
    Case(
        policy="droplet-database-ports",
        title="6 the internet in parts",
        resources=[
            made(
                CLOUD_FIREWALL,
                "fw",
                {"name": "fw", "inboundRules": [{"protocol": "tcp", "portRange": "5432", "sourceAddresses": PARTS}]},
            )
        ],
        breaks="198.50.0.0/15",
    ),
    Case(
        policy="droplet-behind-firewall",
        title="7 user data in base64",
        resources=[droplet(userData=f"#cloud-config\nwrite_files:\n- encoding: b64\n  content: {HIDDEN}\n")],
        breaks="starts postgres",
    ),
    Case(
        policy="droplet-behind-firewall",
        title="8 an image that brings a server",
        resources=[droplet(image="postgresql-22-04")],
        breaks="starts postgres",
    ),
    Case(
        policy="droplet-behind-firewall",
        title="9 a script from elsewhere",
        resources=[droplet(userData="#!/bin/sh\ncurl -fsSL https://example.com/x | sh\n")],
        breaks="starts what",
    ),
    Case(
        policy="droplet-behind-firewall",
        title="10 Droplets by template",
        resources=[autoscaled(userData="apt-get install postgresql")],
        breaks="starts postgres",
    ),
    Case(
        policy="droplet-behind-firewall",
        title="10 Droplets by template, behind one",
        resources=[
            autoscaled(userData="apt-get install postgresql", tags=["db"]),
            made(CLOUD_FIREWALL, "fw", {"name": "fw", "tags": ["db"]}),
        ],
    ),
    Case(
        policy="droplet-behind-firewall",
        title="10 Droplets by template to come",
        resources=[autoscaled(userData=UNKNOWN)],
        waits=["dropletTemplate.userData"],
    ),
    Case(
        policy="changes-not-ignored",
        title="11 a path in brackets",
        resources=[made(FIREWALL, "trusted", {"rules": []}, ignore_changes=['["rules"]'])],
        breaks="ignores changes of rules",
    ),
    Case(
        policy="changes-not-ignored",
        title="12 grants of a key",
        resources=[made(SPACES_KEY, "key", {"name": "key"}, ignore_changes=["grants"])],
        breaks="ignores changes of grants",
    ),
    Case(
        policy="network-known",
        title="13 an app in a network of others",
        resources=[app(vpcs=[{"id": "0a1b"}])],
        breaks="is in the network 0a1b",
    ),
    Case(
        policy="data-protected",
        title="14 shared files",
        resources=[made(NFS, "files", {"name": "files"})],
        stack=GROWTH,
        breaks="files is not protected",
    ),
    Case(
        policy="data-protected",
        title="15 a server without a volume",
        resources=[droplet(userData="apt-get install postgresql")],
        stack=GROWTH,
        breaks="one is not protected",
    ),
    Case(
        policy="standby-or-replica",
        title="16 another engine",
        resources=[cluster(engine="mysql", nodeCount=1)],
        breaks="one node",
    ),
    Case(
        policy="app-not-administrator",
        title="17 an engine that is not said",
        resources=[app(databases=[attached()])],
        breaks="names no dbUser",
    ),
    Case(
        policy="app-not-administrator",
        title="18 another engine",
        resources=[app(databases=[attached(engine="MYSQL", dbUser="doadmin")])],
        breaks="as doadmin",
    ),
    Case(
        policy="app-not-administrator",
        title="19 a name in percent",
        resources=[in_app("URL", "postgresql://%64oadmin:x@db/app")],
        breaks="the user is doadmin",
    ),
    Case(
        policy="app-not-administrator",
        title="19 a name in JSON",
        resources=[in_app("CONFIG", '{"host": "db", "user": "doadmin"}')],
        breaks="the user is doadmin",
    ),
    Case(
        policy="app-private-pool",
        title="20 a host in capitals",
        resources=[in_app("DB_HOST", "DB-DO-USER-1-0.B.DB.ONDIGITALOCEAN.COM")],
        breaks="is a public host",
    ),
    Case(
        policy="app-private-pool",
        title="21 keywords with the direct port",
        resources=[in_app("DSN", f"host={PRIVATE} port=25060 dbname=app")],
        breaks="direct port",
    ),
    Case(
        policy="app-verifies-server",
        title="22 the last one counts",
        resources=[app(variable("URL", f"postgresql://a@{PRIVATE}:25061/p?sslmode=verify-full&sslmode=disable"))],
        breaks="sslmode is disable",
    ),
    Case(
        policy="app-verifies-server",
        title="23 keywords",
        resources=[in_app("DSN", f"host={PRIVATE} port=25061 sslmode=require")],
        breaks="sslmode is require",
    ),
    Case(
        policy="app-verifies-server",
        title="24 Node told to trust everybody",
        resources=[app(uri(), variable("NODE_TLS_REJECT_UNAUTHORIZED", "0"))],
        breaks="verifies no server",
    ),
    Case(
        policy="app-secret-type",
        title="25 a type in small letters",
        resources=[in_app("API_KEY", "x", "general")],
        breaks="its type is GENERAL",
    ),
    Case(
        policy="no-plain-password",
        title="26 names with an end",
        resources=[in_app("API_KEY_2", "x"), in_app("DB_PW", "x"), in_app("PASSWORD_PROD", "x")],
        breaks="is a plain text",
    ),
    Case(
        policy="no-plain-password",
        title="27 options of commands",
        resources=[droplet(userData="mysql --password hunter2\n")],
        breaks="a password",
    ),
    Case(
        policy="no-plain-password",
        title="28 a login in base64",
        resources=[in_app("HEADER", f"Authorization: Basic {base64.b64encode(b'app:hunter2').decode()}")],
        breaks="a password",
    ),
    Case(
        policy="no-plain-password",
        title="29 user data in base64",
        resources=[droplet(userData=base64.b64encode(b"export PGPASSWORD=hunter2-hunter2\n").decode())],
        breaks="a password",
    ),
    Case(
        policy="bucket-private",
        title="30 everybody in a name",
        resources=[
            made(
                BUCKET_POLICY,
                "policy",
                {
                    "bucket": "b",
                    "policy": '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::*:root"}}}',
                },
            )
        ],
        breaks="open to everybody",
    ),
    Case(
        policy="spaces-key-narrow",
        title="31 every bucket by a star",
        resources=[made(SPACES_KEY, "key", {"name": "key", "grants": [{"bucket": "*", "permission": "read"}]})],
        breaks="every bucket",
    ),
    Case(
        policy="spaces-key-narrow",
        title="32 a permission in capitals",
        resources=[made(SPACES_KEY, "key", {"name": "key", "grants": [{"bucket": "b", "permission": "FullAccess"}]})],
        breaks="full access",
    ),
    Case(
        policy="backups-expire",
        title="33 after a hundred years",
        resources=[
            made(
                BUCKET, "one", {"name": "backups", "lifecycleRules": [{"enabled": True, "expiration": {"days": 36500}}]}
            )
        ],
        breaks="no enabled rule",
    ),
    Case(
        policy="backups-expire",
        title="34 marks alone",
        resources=[
            made(
                BUCKET,
                "one",
                {
                    "name": "backups",
                    "lifecycleRules": [{"enabled": True, "expiration": {"expiredObjectDeleteMarker": True}}],
                },
            )
        ],
        breaks="no enabled rule",
    ),
    Case(
        policy="monthly-budget",
        title="35 a price that the pull request tells",
        resources=[
            made(PHASE, "phase", {"phase": "growth", "prices": {"db-s-6vcpu-16gb": 1}}),
            cluster(size="db-s-6vcpu-16gb"),
        ],
        stack={},
        breaks="The stack costs",
    ),
    Case(
        policy="monthly-budget", title="36 Droplets by template", resources=[autoscaled()], breaks="40 x s-8vcpu-16gb"
    ),
    Case(
        policy="prices-known",
        title="37 nodes of Kubernetes",
        resources=[made(KUBERNETES, "k8s", {"name": "k8s", "nodePool": {"size": "gpu-h100x8-640gb", "nodeCount": 3}})],
        breaks="no price is known of gpu-h100x8-640gb",
    ),
    Case(
        policy="cluster-alerts",
        title="38 a cluster of another engine",
        resources=[made(CLUSTER, "kafka", {"id": UNKNOWN, "name": "kafka", "engine": "kafka"})],
        breaks="has no alert",
    ),
    Case(
        policy="region-allowed",
        title="39 nodes of Kubernetes elsewhere",
        resources=[made(KUBERNETES, "k8s", {"name": "k8s", "region": "blr9"})],
        breaks="is in blr9",
    ),
)
