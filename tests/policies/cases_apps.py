"""Cases of the policies on apps, secrets, storage, costs, order and names."""

from collections.abc import Sequence
from typing import Any

from pulumi_policy import PolicyResource, Secret

from policies.kinds import APP, BUCKET, CLUSTER, DROPLET, FIREWALL, POOL, USER, VOLUME, VPC
from tests.policies.cases_clusters import DB, GROWTH, LAUNCH, cluster, pool
from tests.policies.judging import UNKNOWN, Case, made

LOGIN = "postgresql://${db.USERNAME}:${db.PASSWORD}"
PRIVATE = "private-db-do-user-1-0.b.db.ondigitalocean.com"
ATTACHED = {"name": "db", "engine": "PG", "production": True, "dbUser": "app"}
MIGRATIONS = "pulumi-python:dynamic/migrations:Migrations"
VALUE = "spec.services[0].envs[0].value"


def app(
    *variables: dict[str, Any],
    of: PolicyResource | None = None,
    after: Sequence[PolicyResource] = (),
    **spec: Any,
) -> PolicyResource:
    """An app with one service that has these variables."""
    services = [{"name": "web", "envs": list(variables)}]
    return made(
        APP,
        "web",
        {"spec": {"name": "web", "services": services, **spec}},
        of={"spec": of} if of else None,
        after=after,
    )


def variable(key: str, value: str, kind: str | None = None) -> dict[str, str]:
    """An environment variable."""
    return {"key": key, "value": value, **({"type": kind} if kind else {})}


def uri(host: str = PRIVATE, port: int = 25061, mode: str | None = "verify-full", login: str = LOGIN) -> dict[str, str]:
    """DATABASE_URL."""
    query = f"?sslmode={mode}" if mode else ""
    return variable("DATABASE_URL", f"{login}@{host}:{port}/pool{query}")


def bucket(**properties: Any) -> PolicyResource:
    """A bucket whose name says backups."""
    return made(BUCKET, "one", {"name": "shop-backups", **properties})


def migration(*after: PolicyResource, inside: PolicyResource | None = None) -> PolicyResource:
    """A resource that migrates a schema."""
    return made(MIGRATIONS, "migrations", {"target": UNKNOWN}, after=after, inside=inside)


TO_COME = variable("DATABASE_URL", UNKNOWN)
FIREWALL_OF_DB = made(FIREWALL, "trusted", {"clusterId": UNKNOWN}, of={"clusterId": DB})
POOL_OF_DB = pool(DB)
MIGRATED = migration(DB, FIREWALL_OF_DB)
ENABLED = {"enabled": True, "expiration": {"days": 30}}

CASES = (
    Case(policy="app-in-vpc", title="in one to come", resources=[app(databases=[ATTACHED], vpcs=[{"id": UNKNOWN}])]),
    Case(policy="app-in-vpc", title="without a database", resources=[app()]),
    Case(
        policy="app-in-vpc",
        title="with databases to come",
        resources=[app(databases=UNKNOWN)],
        waits=["spec.databases"],
    ),
    Case(policy="app-in-vpc", title="in none", resources=[app(databases=[ATTACHED])], breaks="is in no VPC"),
    Case(policy="app-not-administrator", title="a user of its own", resources=[app(uri(), databases=[ATTACHED])]),
    Case(
        policy="app-not-administrator",
        title="a user to come",
        resources=[app(databases=[{**ATTACHED, "dbUser": UNKNOWN}])],
        waits=["spec.databases[0].dbUser"],
    ),
    Case(
        policy="app-not-administrator",
        title="nobody named",
        resources=[app(TO_COME, databases=[{**ATTACHED, "dbUser": None}])],
        breaks="names no dbUser for db",
        waits=[VALUE],
    ),
    Case(
        policy="app-not-administrator",
        title="named",
        resources=[app(databases=[{**ATTACHED, "dbUser": "doadmin"}])],
        breaks="logs in to db as doadmin",
    ),
    Case(
        policy="app-not-administrator",
        title="in a URI",
        resources=[app(uri(login="postgresql://doadmin:${db.PASSWORD}"))],
        breaks="variable DATABASE_URL: the user is doadmin",
    ),
    Case(
        policy="app-not-administrator",
        title="a pool",
        resources=[pool(DB, user="doadmin")],
        breaks="The pool pool logs",
    ),
    Case(policy="app-private-pool", title="private pool", resources=[app(uri(), databases=[ATTACHED])]),
    Case(policy="app-private-pool", title="to come", resources=[app(TO_COME)], waits=[VALUE]),
    Case(
        policy="app-private-pool",
        title="a replica, which has no pools",
        resources=[app(uri(host="private-replica-db-1.db.ondigitalocean.com", port=25060))],
    ),
    Case(
        policy="app-private-pool",
        title="public, beside one to come",
        resources=[app(TO_COME, uri(host="db-1.db.ondigitalocean.com"))],
        breaks="db-1.db.ondigitalocean.com is a public host",
        waits=[VALUE],
    ),
    Case(
        policy="app-private-pool",
        title="public, as a host alone",
        resources=[app(variable("PGHOST", "db-1.db.ondigitalocean.com"))],
        breaks="variable PGHOST",
    ),
    Case(
        policy="app-private-pool", title="direct", resources=[app(uri(port=25060))], breaks="25060 is the direct port"
    ),
    Case(
        policy="app-private-pool",
        title="what App Platform fills in",
        resources=[app(variable("DATABASE_URL", "${db.DATABASE_URL}"), databases=[ATTACHED])],
        breaks="${db.DATABASE_URL} is the cluster's public host",
    ),
    Case(
        policy="app-private-pool",
        title="a development database, which has nothing else",
        resources=[app(variable("DATABASE_URL", "${db.DATABASE_URL}"), databases=[{"name": "db", "engine": "PG"}])],
    ),
    Case(
        policy="app-through-pool",
        title="through a pool",
        resources=[DB, POOL_OF_DB, made(APP, "web", {"spec": UNKNOWN}, of={"spec": POOL_OF_DB})],
    ),
    Case(
        policy="app-through-pool",
        title="past the pool, all of it to come",
        resources=[DB, POOL_OF_DB, made(APP, "web", {"spec": UNKNOWN}, of={"spec": DB})],
        breaks="web is built from db and from none of its pools",
    ),
    Case(policy="app-verifies-server", title="verified", resources=[app(uri(), uri(mode="verify-ca"))]),
    Case(policy="app-verifies-server", title="to come", resources=[app(TO_COME)], waits=[VALUE]),
    Case(
        policy="app-verifies-server",
        title="encrypted only, beside one to come",
        resources=[app(TO_COME, uri(mode="require"))],
        breaks="sslmode is require",
        waits=[VALUE],
    ),
    Case(policy="app-verifies-server", title="not said", resources=[app(uri(mode=None))], breaks="sslmode is not set"),
    Case(
        policy="app-verifies-server",
        title="JDBC",
        resources=[app(variable("JDBC_URL", f"jdbc:postgresql://{PRIVATE}:25061/pool?ssl=true&sslmode=prefer"))],
        breaks="sslmode is prefer",
    ),
    Case(
        policy="app-verifies-server",
        title="libpq's own variable",
        resources=[app(variable("PGSSLMODE", "require"))],
        breaks="require verifies no server",
    ),
    Case(policy="app-secret-type", title="secret", resources=[app(variable("API_KEY", "s3", "SECRET"))]),
    Case(policy="app-secret-type", title="a reference", resources=[app(variable("PGPASSWORD", "${db.PASSWORD}"))]),
    Case(
        policy="app-secret-type",
        title="a fingerprint",
        resources=[app(variable("DATABASE_CREDENTIALS_FINGERPRINT", "a01f"))],
    ),
    Case(
        policy="app-secret-type",
        title="a value to come",
        resources=[app(variable("PAYMENTS_TOKEN", UNKNOWN, "GENERAL"))],
        waits=[VALUE],
    ),
    Case(
        policy="app-secret-type",
        title="a type to come",
        resources=[app(variable("PAYMENTS_TOKEN", "s3", UNKNOWN))],
        waits=["spec.services[0].envs[0].type"],
    ),
    Case(
        policy="app-secret-type",
        title="general, after one to come",
        resources=[app(TO_COME, variable("PAYMENTS_TOKEN", "s3"))],
        breaks="variable PAYMENTS_TOKEN: its name says secret",
        waits=[VALUE],
    ),
    Case(
        policy="app-secret-type",
        title="general, of the whole app",
        resources=[app(envs=[variable("PAYMENTS_TOKEN", "s3", "GENERAL")])],
        breaks="variable PAYMENTS_TOKEN",
    ),
    Case(
        policy="app-secret-type",
        title="a password in a URI",
        resources=[app(variable("CACHE", "rediss://default:s3@10.0.0.2:25061"))],
        breaks="variable CACHE: there is a password in it",
    ),
    Case(
        policy="app-secret-type",
        title="only sounds secret",
        resources=[app(variable("COIN_TOKEN", "0x12"))],
        settings={"public": ["COIN_TOKEN"]},
    ),
    Case(policy="no-plain-password", title="a secret", resources=[made(USER, "u", {"password": Secret("s3")})]),
    Case(
        policy="no-plain-password",
        title="a secret around it",
        resources=[made(APP, "web", {"spec": Secret({"envs": [variable("PASSWORD", "s3")]})})],
    ),
    Case(policy="no-plain-password", title="a reference", resources=[app(uri())]),
    Case(
        policy="no-plain-password",
        title="to come",
        resources=[made(USER, "u", {"password": UNKNOWN, "name": UNKNOWN})],
        waits=["password"],
    ),
    Case(
        policy="no-plain-password",
        title="plain, beside one to come",
        resources=[made("command:local:Command", "c", {"environment": {"PGPASSWORD": "s3", "TOKEN": UNKNOWN}})],
        breaks="environment.PGPASSWORD is a plain text",
        waits=["environment.TOKEN"],
    ),
    Case(
        policy="no-plain-password",
        title="in a URI",
        resources=[made("command:local:Command", "c", {"args": ["psql", "postgres://app:s3@10.0.0.2/shop"]})],
        breaks="args[1] is a plain text with a password in a URI",
    ),
    Case(policy="backups-private", title="private", resources=[bucket(acl="private")]),
    Case(policy="backups-private", title="to come", resources=[bucket(acl=UNKNOWN)], waits=["acl"]),
    Case(
        policy="backups-private", title="public", resources=[bucket(acl="public-read")], breaks="the access public-read"
    ),
    Case(
        policy="backups-private",
        title="public, no backups",
        resources=[made(BUCKET, "assets", {"name": UNKNOWN, "acl": "public-read"})],
    ),
    Case(
        policy="backups-private",
        title="public, named otherwise",
        resources=[made(BUCKET, "safe", {"name": UNKNOWN, "acl": "public-read"})],
        settings={"names": "safe"},
        breaks="safe holds backups",
    ),
    Case(policy="backups-versioned", title="versioned", resources=[bucket(versioning={"enabled": True})]),
    Case(
        policy="backups-versioned",
        title="to come",
        resources=[bucket(versioning={"enabled": UNKNOWN})],
        waits=["versioning.enabled"],
    ),
    Case(policy="backups-versioned", title="not", resources=[bucket()], breaks="keeps no earlier versions"),
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
        breaks="none of its lifecycle rules is enabled",
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
        breaks="costs $136 a month, its budget is $100: db 2 x db-s-2vcpu-4gb $120, worker 1 x s-1vcpu-1gb $6, data",
        waits=["size"],
    ),
    Case(
        policy="monthly-budget",
        title="another price, and an app's",
        resources=[DB, made(APP, "web", {"spec": {"services": [{"instanceSizeSlug": "s", "instanceCount": 2}]}})],
        settings={"usd": 31, "prices": {"db-s-1vcpu-1gb": 12, "s": 10}},
        breaks="costs $32 a month",
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
        breaks="costs $60 a month, its budget is $50",
    ),
    Case(policy="monthly-budget", title="no phase and no budget", resources=[cluster(nodeCount=900)], stack={}),
    Case(policy="prices-known", title="known", resources=[DB]),
    Case(policy="prices-known", title="to come", resources=[cluster(size=UNKNOWN)], waits=["size"]),
    Case(
        policy="prices-known",
        title="unknown",
        resources=[cluster(size="gd-8vcpu-32gb")],
        breaks="no price for gd-8vcpu",
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
