"""Cases of the policies on storage, costs, order and names."""

import json
from typing import Any

from pulumi_policy import PolicyResource

from policies.kinds import (
    APP,
    BUCKET,
    BUCKET_OBJECT,
    BUCKET_POLICY,
    CLUSTER,
    DROPLET,
    FIREWALL,
    MIGRATIONS,
    PHASE,
    POOL,
    REPLICA,
    SPACES_KEY,
    USER,
    VOLUME,
    VPC,
)
from tests.policies.cases_apps import TO_COME, app
from tests.policies.cases_clusters import DB, GROWTH, LAUNCH, cluster
from tests.policies.judging import UNKNOWN, Case, made


def bucket(**properties: Any) -> PolicyResource:
    """A bucket whose name says backups."""
    return made(BUCKET, "one", {"name": "shop-backups", **properties})


def migration(*after: PolicyResource, inside: PolicyResource | None = None) -> PolicyResource:
    """A resource that migrates a schema."""
    return made(MIGRATIONS, "migrations", {"target": UNKNOWN}, after=after, inside=inside)


def bucket_policy(principal: Any) -> PolicyResource:
    """A policy of a bucket, that allows a principal to read."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*"}
    return made(BUCKET_POLICY, "policy", {"bucket": "shop", "policy": json.dumps({"Statement": [statement]})})


def key(*grants: Any) -> PolicyResource:
    """A key to buckets."""
    return made(SPACES_KEY, "key", {"name": "key", "grants": list(grants)})


ANYBODY = json.dumps({"Statement": {"Effect": "Allow", "Principal": "*"}})
FIREWALL_OF_DB = made(FIREWALL, "trusted", {"clusterId": UNKNOWN}, of={"clusterId": DB})
MIGRATED = migration(DB, FIREWALL_OF_DB)
ENABLED = {"enabled": True, "expiration": {"days": 30}}

CASES = (
    Case(policy="bucket-private", title="private", resources=[bucket(acl="private"), bucket_policy("arn:x:user/1")]),
    Case(policy="bucket-private", title="to come", resources=[bucket(acl=UNKNOWN)], waits=["acl"]),
    Case(
        policy="bucket-private",
        title="a policy to come",
        resources=[made(BUCKET_POLICY, "policy", {"policy": UNKNOWN})],
        waits=["policy"],
    ),
    Case(policy="bucket-private", title="public", resources=[bucket(acl="public-read")], breaks="its acl public-read"),
    Case(
        policy="bucket-private",
        title="public, by another name",
        resources=[made(BUCKET, "shop-data", {"name": UNKNOWN, "acl": "public-read-write"})],
        breaks="shop-data is open",
    ),
    Case(
        policy="bucket-private",
        title="meant to be public, and all that is in it",
        resources=[
            (assets := made(BUCKET, "assets", {"name": UNKNOWN, "acl": "public-read"})),
            made(BUCKET_OBJECT, "logo", {"bucket": UNKNOWN, "acl": "public-read"}, of={"bucket": assets}),
            made(BUCKET_POLICY, "policy", {"bucket": UNKNOWN, "policy": ANYBODY}, of={"bucket": assets}),
        ],
        settings={"public": ["assets"]},
    ),
    *(
        Case(
            policy="bucket-private",
            title=f"a policy for {principal}",
            resources=[bucket(), bucket_policy(principal)],
            breaks="policy is open to everybody by its policy",
        )
        for principal in ("*", ["*"], {"AWS": "*"}, {"AWS": ["arn:x:user/1", "*"]})
    ),
    Case(
        policy="bucket-private",
        title="a policy that cannot be read",
        resources=[made(BUCKET_POLICY, "policy", {"policy": "{"})],
        breaks="open to everybody",
    ),
    Case(
        policy="bucket-private",
        title="one object",
        resources=[made(BUCKET_OBJECT, "dump", {"bucket": "shop-backups", "acl": "public-read"})],
        breaks="dump is open to everybody",
    ),
    Case(
        policy="spaces-key-narrow",
        title="of one bucket",
        resources=[key({"bucket": "shop", "permission": "read"})],
    ),
    Case(
        policy="spaces-key-narrow",
        title="to come",
        resources=[key({"bucket": UNKNOWN, "permission": UNKNOWN})],
        waits=["grants[0].permission"],
    ),
    Case(
        policy="spaces-key-narrow",
        title="of all",
        resources=[key({"bucket": "", "permission": "fullaccess"})],
        breaks="full access to every bucket",
    ),
    Case(
        policy="spaces-key-narrow",
        title="of none by name",
        resources=[key({"bucket": "", "permission": "read"})],
        breaks="names no bucket",
    ),
    Case(policy="spaces-key-narrow", title="nothing said", resources=[key()], breaks="has no grants"),
    Case(policy="bucket-versioned", title="versioned", resources=[bucket(versioning={"enabled": True})]),
    Case(
        policy="bucket-versioned",
        title="to come",
        resources=[bucket(versioning={"enabled": UNKNOWN})],
        waits=["versioning.enabled"],
    ),
    Case(policy="bucket-versioned", title="not", resources=[bucket()], breaks="keeps no earlier versions"),
    Case(
        policy="bucket-versioned",
        title="not, by another name",
        resources=[made(BUCKET, "shop-data", {"name": "shop-data"})],
        breaks="shop-data keeps no earlier versions",
    ),
    Case(
        policy="bucket-versioned",
        title="public",
        resources=[made(BUCKET, "assets", {"name": "assets"})],
        settings={"public": ["assets"]},
    ),
    Case(policy="backups-expire", title="expire", resources=[bucket(lifecycleRules=[ENABLED])]),
    Case(
        policy="backups-expire",
        title="to come",
        resources=[bucket(lifecycleRules=UNKNOWN)],
        waits=["lifecycleRules"],
    ),
    Case(policy="backups-expire", title="never", resources=[bucket()], breaks="never lets go"),
    Case(
        policy="backups-expire",
        title="switched off",
        resources=[bucket(lifecycleRules=[{**ENABLED, "enabled": False}])],
        breaks="no enabled rule of its lifecycle has an expiration",
    ),
    Case(
        policy="backups-expire",
        title="only what was never finished",
        resources=[bucket(lifecycleRules=[{"enabled": True, "abortIncompleteMultipartUploadDays": 1}])],
        breaks="no enabled rule of its lifecycle has an expiration",
    ),
    Case(policy="no-force-destroy", title="kept", resources=[bucket(forceDestroy=False)]),
    Case(policy="no-force-destroy", title="to come", resources=[bucket(forceDestroy=UNKNOWN)], waits=["forceDestroy"]),
    Case(policy="no-force-destroy", title="forced", resources=[bucket(forceDestroy=True)], breaks="has forceDestroy"),
    Case(
        policy="no-force-destroy",
        title="forced in development",
        resources=[made(BUCKET, "one", {"forceDestroy": True}, stack="dev")],
        stack={"developmentStacks": ["dev"]},
    ),
    Case(policy="monthly-budget", title="within the phase's", resources=[DB], stack=LAUNCH),
    Case(
        policy="monthly-budget",
        title="a plan to come",
        resources=[cluster(size=UNKNOWN)],
        settings={"usd": 1},
        waits=["size"],
    ),
    Case(
        policy="monthly-budget",
        title="beyond, beside a plan to come",
        resources=[
            cluster(size="db-s-2vcpu-4gb", nodeCount=2),
            made(CLUSTER, "b", {"size": UNKNOWN}),
            made(DROPLET, "worker", {"size": "s-1vcpu-1gb"}),
            made(VOLUME, "data", {"size": 100}),
        ],
        stack=GROWTH,
        breaks="costs $137.80 a month, its budget is $100: db 2 x db-s-2vcpu-4gb $121.80, worker 1 x s-1vcpu-1gb $6",
        waits=["size"],
    ),
    Case(
        policy="monthly-budget",
        title="another price, and an app's",
        resources=[DB, made(APP, "web", {"spec": {"services": [{"instanceSizeSlug": "s", "instanceCount": 2}]}})],
        settings={"usd": 31},
        stack={"prices": {"db-s-1vcpu-1gb": 12, "s": 10}},
        breaks="costs $32 a month",
    ),
    Case(
        policy="monthly-budget",
        title="another price that the stack tells, and one that goes before it",
        resources=[
            DB,
            made(DROPLET, "worker", {"size": "s-1vcpu-1gb"}),
            made(PHASE, "p", {"phase": "launch", "prices": {"db-s-1vcpu-1gb": 99.5, "s-1vcpu-1gb": 7}}),
        ],
        stack={"prices": {"s-1vcpu-1gb": 8}},
        breaks="costs $107.50 a month, its budget is $60: db 1 x db-s-1vcpu-1gb $99.50, worker 1 x s-1vcpu-1gb $8.",
    ),
    Case(
        policy="monthly-budget",
        title="a replica costs what a node does, and Spaces are paid for once",
        resources=[
            cluster(size="db-s-2vcpu-4gb"),
            made(REPLICA, "replica", {"size": "db-s-2vcpu-4gb"}),
            *(made(BUCKET, name, {"name": name}) for name in ("a", "b")),
        ],
        settings={"usd": 120},
        breaks="costs $126.80 a month",
    ),
    Case(
        policy="monthly-budget",
        title="beyond the phase's in development",
        resources=[made(CLUSTER, "db", {"size": "db-s-2vcpu-4gb", "nodeCount": 9}, stack="dev")],
        stack={"phase": "scale", "developmentStacks": ["dev"]},
    ),
    Case(
        policy="monthly-budget",
        title="beyond its own in development",
        resources=[made(CLUSTER, "db", {"size": "db-s-2vcpu-4gb"}, stack="dev")],
        settings={"usd": 50},
        stack={"developmentStacks": ["dev"]},
        breaks="costs $60.90 a month, its budget is $50",
    ),
    Case(policy="monthly-budget", title="no phase and no budget", resources=[cluster(nodeCount=900)], stack={}),
    Case(policy="prices-known", title="known", resources=[DB]),
    Case(policy="prices-known", title="to come", resources=[cluster(size=UNKNOWN)], waits=["size"]),
    Case(
        policy="prices-known",
        title="unknown",
        resources=[cluster(size="gd-8vcpu-32gb")],
        breaks="no price is known of gd-8vcpu-32gb",
    ),
    Case(
        policy="prices-known",
        title="a Droplet with a GPU",
        resources=[made(DROPLET, "worker", {"size": "gpu-h100x8-640gb"})],
        breaks="worker: no price is known of gpu-h100x8-640gb",
    ),
    Case(
        policy="prices-known",
        title="unknown, in development",
        resources=[made(DROPLET, "worker", {"size": "gpu-h100x8-640gb"}, stack="dev")],
        stack={"developmentStacks": ["dev"]},
    ),
    Case(
        policy="monthly-budget",
        title="apps, by the number that they may grow to",
        resources=[
            made(APP, "web", {"spec": {"services": [{"instanceSizeSlug": "apps-d-8vcpu-32gb"}]}}),
            made(APP, "b", {"spec": {"workers": [{"autoscaling": {"maxInstanceCount": 9}}]}}),
        ],
        settings={"usd": 400},
        breaks="costs $437 a month, its budget is $400: web 1 x apps-d-8vcpu-32gb $392, b 9 x apps-s-1vcpu-0.5gb $45.",
    ),
    Case(
        policy="monthly-budget",
        title="storage beyond the plan's",
        resources=[cluster(storageSizeMib=str(1010 * 1024), nodeCount=1)],
        settings={"usd": 100},
        breaks="costs $230.15 a month, its budget is $100: db 1 x db-s-1vcpu-1gb $15.15, db 1 x 1000 GiB more $215.",
    ),
    Case(
        policy="migrations-after-trusted-sources",
        title="after, by way of another",
        resources=[DB, FIREWALL_OF_DB, migration(made(USER, "u", {}, after=[FIREWALL_OF_DB]))],
    ),
    Case(
        policy="migrations-after-trusted-sources",
        title="after, because its component waits",
        resources=[DB, FIREWALL_OF_DB, migration(DB, inside=made("shop:Schema", "s", {}, after=[FIREWALL_OF_DB]))],
    ),
    Case(
        policy="migrations-after-trusted-sources",
        title="beside, all of it to come",
        resources=[DB, FIREWALL_OF_DB, migration(DB)],
        breaks="migrations does not wait for trusted",
    ),
    Case(
        policy="migrations-after-trusted-sources",
        title="a component of that name",
        resources=[DB, FIREWALL_OF_DB, made("trellis:database:Migrations", "m", {}, after=[DB])],
    ),
    Case(
        policy="migrations-after-trusted-sources",
        title="another type",
        resources=[DB, FIREWALL_OF_DB, made("digitalocean:index/tag:Tag", "m", {"name": UNKNOWN}, after=[DB])],
        settings={"types": "Tag$"},
        breaks="m does not wait for trusted",
    ),
    Case(
        policy="apps-after-migrations",
        title="by way of a pool",
        resources=[DB, MIGRATED, (after := made(POOL, "p", {}, after=[DB, MIGRATED])), app(TO_COME, of=after)],
    ),
    Case(
        policy="apps-after-migrations",
        title="beside, all of it to come",
        resources=[DB, MIGRATED, app(TO_COME, of=DB)],
        breaks="web uses db and waits for none of its migrations",
    ),
    Case(policy="apps-after-migrations", title="nothing to migrate", resources=[DB, app(TO_COME, of=DB)]),
    Case(policy="region-allowed", title="allowed", resources=[made(VPC, "v", {"region": "nyc1"}), app(region="nyc")]),
    Case(policy="region-allowed", title="to come", resources=[made(VPC, "v", {"region": UNKNOWN})], waits=["region"]),
    Case(policy="region-allowed", title="not", resources=[made(VPC, "v", {"region": "nyc9"})], breaks="v is in nyc9"),
    Case(
        policy="region-allowed",
        title="an app in another city",
        resources=[app(region="nyc")],
        settings={"regions": ["fra1", "ams3"]},
        breaks="web is in nyc; allowed: ams, fra",
    ),
    Case(
        policy="required-tags",
        title="tagged",
        resources=[cluster(tags=["stack:prod"])],
        settings={"required": ["stack:"]},
    ),
    Case(
        policy="required-tags",
        title="to come",
        resources=[cluster(tags=["a", UNKNOWN])],
        settings={"required": ["stack:"]},
        waits=["tags[1]"],
    ),
    Case(policy="required-tags", title="none", resources=[cluster(tags=[])], breaks="db has no tag."),
    Case(
        policy="required-tags",
        title="another",
        resources=[cluster(tags=["a"])],
        settings={"required": ["stack:", "a"]},
        breaks="no tag that begins with stack:",
    ),
    Case(policy="names", title="plain", resources=[DB, app(), made(VPC, "v", {"name": "env.prod-vpc"})]),
    Case(policy="names", title="to come", resources=[made(VPC, "v", {"name": UNKNOWN})], waits=["name"]),
    Case(policy="names", title="capitals", resources=[cluster(name="Shop-DB")], breaks="'Shop-DB' does not match"),
    Case(
        policy="names",
        title="an app's",
        resources=[app(name="a-name-that-is-longer-than-an-app-may")],
        breaks="not match",
    ),
)
