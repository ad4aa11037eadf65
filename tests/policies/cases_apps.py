"""Cases of the policies on apps and secrets."""

from collections.abc import Sequence
from typing import Any

from pulumi_policy import PolicyResource, Secret

from policies.kinds import APP, POOL_SIZE, USER
from tests.policies.cases_clusters import DB, pool
from tests.policies.judging import UNKNOWN, Case, made

LOGIN = "postgresql://${db.USERNAME}:${db.PASSWORD}"
PRIVATE = "private-db-do-user-1-0.b.db.ondigitalocean.com"
ATTACHED = {"name": "db", "engine": "PG", "production": True, "dbUser": "app"}
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


TO_COME = variable("DATABASE_URL", UNKNOWN)
POOL_OF_DB = pool(DB)

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
    Case(
        policy="app-not-administrator",
        title="a pool that is given it in place",
        resources=[pool(DB, user="app"), made(POOL_SIZE, "size", {"of": "pool", "body": {"user": "doadmin"}})],
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
        breaks="variable CACHE: there is a password in a URI in it",
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
    *(
        Case(
            policy="no-plain-password",
            title=f"{key} {text[:24]}",
            resources=[made("command:local:Command", "c", {"environment": {key: text}})],
            breaks=f"environment.{key} is a plain text",
        )
        for key, text in {
            "SECRET_KEY": "s3",
            "DB_PASS": "s3",
            "ENCRYPTION_KEY": "s3",
            "secretKey": "s3",
            "DJANGO_SECRET_KEY_BASE": "s3",
            "registryCredentials": "me:s3",
            "A": "postgresql+asyncpg://app:s3@10.0.0.2/shop",
            "B": "REDIS://:s3@10.0.0.2",
            "C": "postgres://app:pa/ss@10.0.0.2/shop",
            "D": "postgresql://10.0.0.2/shop?user=app&password=s3",
            "E": "host=10.0.0.2 user=app password=s3 dbname=shop",
            "F": "PGPASSWORD=s3 psql -h 10.0.0.2",
            "G": "CREATE ROLE app LOGIN PASSWORD 's3'",
            "H": "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
            "I": f"dop_v1_{'0a' * 32}",
            "J": f"ghp_{'a1B2' * 9}",
            "K": f"AKIA{'A1B2' * 4}",
            "L": f"pul-{'0a' * 20}",
        }.items()
    ),
    *(
        Case(
            policy="no-plain-password",
            title=f"nothing secret: {text[:30]}",
            resources=[made("command:local:Command", "c", {"environment": {key: text}})],
        )
        for key, text in {
            "A": "https://example.com:8443/a@b",
            "B": "PGPASSWORD=$PASSWORD psql",
            "C": "postgresql://${db.USERNAME}:${db.PASSWORD}@host/db",
            "D": "password=${db.PASSWORD} host=db",
            "E": "v1/dbaas/alerts/load_15_alerts",
            "F": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "G": "registry.digitalocean.com/shop/web-API_2:2026_11_26-build",
            "COMPASS": "north",
            "TOKENS_PER_DAY": "100",
        }.items()
    ),
    Case(
        policy="app-secret-type",
        title="a key of another name",
        resources=[app(variable("PAYMENTS", f"sk_live_{'a1B2' * 6}", "GENERAL"))],
        breaks="variable PAYMENTS: there is a secret (Stripe Access Key) in it",
    ),
    Case(
        policy="app-not-administrator",
        title="in a driver's URI",
        resources=[app(uri(login="postgresql+asyncpg://doadmin:${db.PASSWORD}"))],
        breaks="the user is doadmin",
    ),
    Case(
        policy="app-not-administrator",
        title="in a query",
        resources=[
            app(variable("DATABASE_URL", f"postgresql://{PRIVATE}/pool?user=doadmin&password=${{db.PASSWORD}}"))
        ],
        breaks="the user is doadmin",
    ),
    Case(
        policy="app-not-administrator",
        title="a cluster's by its name alone",
        resources=[app(databases=[{"name": "db", "engine": "pg", "clusterName": "shop-db"}])],
        breaks="names no dbUser for db",
    ),
    Case(
        policy="app-private-pool",
        title="direct, in a driver's URI",
        resources=[app(uri(port=25060, login="POSTGRESQL+psycopg://${db.USERNAME}:${db.PASSWORD}"))],
        breaks="25060 is the direct port",
    ),
    Case(
        policy="app-private-pool",
        title="direct, in a variable of its own",
        resources=[app(variable("DB_HOST", PRIVATE), variable("DB_PORT", "25060"))],
        breaks="variable DB_PORT: 25060 is the direct port",
    ),
    Case(
        policy="app-verifies-server",
        title="in variables of their own, verified",
        resources=[app(variable("PGHOST", PRIVATE), variable("PGSSLMODE", "verify-full"))],
    ),
    Case(
        policy="app-verifies-server",
        title="in variables of their own",
        resources=[app(variable("DB_HOST", PRIVATE), variable("DB_PORT", "25061"))],
        breaks="variable DB_HOST: a host, and no variable says how",
    ),
    Case(policy="app-database-production", title="a cluster", resources=[app(databases=[ATTACHED])]),
    Case(
        policy="app-database-production",
        title="to come",
        resources=[app(databases=[{**ATTACHED, "production": UNKNOWN}])],
        waits=["spec.databases[0].production"],
    ),
    Case(
        policy="app-database-production",
        title="a development database",
        resources=[app(databases=[{"name": "db", "engine": "PG"}])],
        breaks="web: db is a development database",
    ),
    Case(
        policy="app-database-production",
        title="a development database in development",
        resources=[made(APP, "web", {"spec": {"databases": [{"name": "db"}]}}, stack="dev")],
        stack={"developmentStacks": ["dev"]},
    ),
)
