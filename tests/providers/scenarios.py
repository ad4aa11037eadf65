"""What is asked of a plugin to find out whether another one does the same.

A scenario is a list of steps on resources known by a label. "${label.id}" and "${label.name}" in inputs stand for
what an earlier step gave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Make:
    """Check, preview, create, then diff against the same inputs, read, and diff again."""

    label: str
    type: str
    inputs: Inputs


@dataclass(frozen=True)
class Diff:
    """Diff against inputs changed in these top-level properties; None takes one away."""

    label: str
    changes: Inputs


@dataclass(frozen=True)
class Change:
    """Diff, preview the update, update, and diff again."""

    label: str
    changes: Inputs


@dataclass(frozen=True)
class Import:
    """Read without a state, as `pulumi import` does. The id is what a user would type."""

    label: str
    type: str
    identity: str


@dataclass(frozen=True)
class Drop:
    """Delete; then read, which must find nothing."""

    label: str


@dataclass(frozen=True)
class Call:
    """A function."""

    function: str
    arguments: Inputs


Step = Make | Diff | Change | Import | Drop | Call


@dataclass(frozen=True)
class Scenario:
    """Steps against a new API. name: also the name of its recording. spaces: whether buckets are made."""

    name: str
    steps: list[Step] = field(default_factory=list)
    spaces: bool = False


VALKEY: Inputs = {
    "name": "cache",
    "engine": "valkey",
    "version": "8",
    "size": "db-s-1vcpu-1gb",
    "region": "nyc1",
    "nodeCount": 1,
}

CLUSTER: Inputs = {
    "name": "villa",
    "engine": "pg",
    "version": "17",
    "size": "db-s-1vcpu-1gb",
    "region": "nyc1",
    "nodeCount": 1,
}
SERVICE: Inputs = {
    "name": "api",
    "image": {"registryType": "DOCKER_HUB", "registry": "library", "repository": "nginx", "tag": "1"},
    "instanceCount": 1,
    "instanceSizeSlug": "basic-xxs",
    "httpPort": 8080,
    "envs": [
        {"key": "B", "value": "2", "scope": "RUN_TIME", "type": "GENERAL"},
        {"key": "A", "value": "${villa-db.DATABASE_URL}", "type": "GENERAL"},
    ],
    "healthCheck": {"httpPath": "/health", "periodSeconds": 10},
    "alerts": [{"rule": "CPU_UTILIZATION", "operator": "GREATER_THAN", "value": 80, "window": "FIVE_MINUTES"}],
}
APP_SPEC: Inputs = {
    "name": "villa-api",
    "region": "nyc",
    "features": ["buildpack-stack=ubuntu-22"],
    "services": [SERVICE],
    "databases": [
        {
            "name": "villa-db",
            "engine": "PG",
            "production": True,
            "clusterName": "villa",
            "dbName": "villa",
            "dbUser": "app",
        }
    ],
    "vpcs": [{"id": "4d8e1f0e-7a8c-4f3e-9f57-0a3c8f7b9b11"}],
    "egresses": [{"type": "AUTOASSIGN"}],
    "alerts": [{"rule": "DEPLOYMENT_FAILED"}],
    "ingress": {"rules": [{"match": {"path": {"prefix": "/"}}, "component": {"name": "api"}}]},
}
EVERYTHING_SPEC: Inputs = {
    "name": "villa-all",
    "region": "nyc",
    "domains": ["villa.example", "api.villa.example"],
    "disableEdgeCache": True,
    "maintenance": {"enabled": True},
    "envs": [{"key": "TOP", "value": "x", "type": "GENERAL"}],
    "services": [
        {
            "name": "web",
            "github": {"repo": "villa/web", "branch": "main", "deployOnPush": True},
            "environmentSlug": "node-js",
            "buildCommand": "make",
            "runCommand": "serve",
            "internalPorts": [9000, 8000],
            "livenessHealthCheck": {"port": 9000},
        }
    ],
    "workers": [
        {
            "name": "mailer",
            "git": {"repoCloneUrl": "https://git.example/mailer.git", "branch": "main"},
            "instanceCount": 2,
        }
    ],
    "jobs": [{"name": "migrate", "kind": "PRE_DEPLOY", "gitlab": {"repo": "villa/m", "branch": "main"}}],
    "staticSites": [
        {
            "name": "site",
            "bitbucket": {"repo": "villa/s", "branch": "main"},
            "outputDir": "dist",
            "errorDocument": "404",
        }
    ],
    "functions": [{"name": "fn", "github": {"repo": "villa/f", "branch": "main"}, "sourceDir": "/fn"}],
    "ingress": {
        "rules": [
            {"match": {"path": {"prefix": "/api"}}, "component": {"name": "web", "preservePathPrefix": True}},
            {"match": {"authority": {"exact": "old.example"}}, "redirect": {"uri": "/new", "authority": "new.example"}},
        ]
    },
}

BUCKET: Inputs = {
    "name": "villa-backups",
    "region": "nyc3",
    "acl": "private",
    "forceDestroy": True,
    "versioning": {"enabled": True},
    "lifecycleRules": [
        {
            "id": "daily",
            "prefix": "daily/",
            "enabled": True,
            "abortIncompleteMultipartUploadDays": 2,
            "expiration": {"days": 7},
            "noncurrentVersionExpiration": {"days": 3},
        }
    ],
}


SCENARIOS = [
    Scenario(
        "vpc",
        [
            Make("net", "vpc:Vpc", {"name": "villa-net", "region": "nyc1", "ipRange": "10.0.0.0/16"}),
            Diff("net", {"region": "ams3"}),
            Diff("net", {"ipRange": "10.1.0.0/16"}),
            Diff("net", {"ipRange": None}),
            Change("net", {"name": "villa-network", "description": "the product's network"}),
            Change("net", {"description": None}),
            Import("net", "vpc:Vpc", "${net.id}"),
            Drop("net"),
        ],
    ),
    Scenario("vpc-with-api-range", [Make("net", "vpc:Vpc", {"name": "plain", "region": "nyc1"}), Drop("net")]),
    Scenario(
        "database-cluster",
        [
            Make("net", "vpc:Vpc", {"name": "villa-net", "region": "nyc1"}),
            Make(
                "main",
                "databaseCluster:DatabaseCluster",
                CLUSTER
                | {
                    "privateNetworkUuid": "${net.id}",
                    "tags": ["production", "api"],
                    "maintenanceWindows": [{"day": "sunday", "hour": "02:00"}],
                },
            ),
            Diff("main", {"name": "other"}),
            Diff("main", {"engine": "mysql"}),
            Diff("main", {"privateNetworkUuid": "00000000-0000-4000-8000-000000000000"}),
            Diff("main", {"tags": ["api", "production"]}),
            Change("main", {"size": "db-s-1vcpu-2gb"}),
            Change("main", {"nodeCount": 2}),
            Change("main", {"storageSizeMib": "61440"}),
            Change("main", {"tags": ["api", "new"]}),
            Change("main", {"maintenanceWindows": [{"day": "monday", "hour": "03:00"}]}),
            Call("getDatabaseCa:getDatabaseCa", {"clusterId": "${main.id}"}),
            Import("main", "databaseCluster:DatabaseCluster", "${main.id}"),
            Drop("main"),
        ],
    ),
    Scenario(
        "database-cluster-moves",
        [
            Make("main", "databaseCluster:DatabaseCluster", CLUSTER | {"version": "16"}),
            Change("main", {"version": "17"}),
            Change("main", {"region": "ams3"}),
            Make(
                "restored",
                "databaseCluster:DatabaseCluster",
                CLUSTER | {"name": "villa-restored", "backupRestore": {"databaseName": "villa"}},
            ),
            Drop("restored"),
            Drop("main"),
        ],
    ),
    Scenario(
        "database-parts",
        [
            Make("main", "databaseCluster:DatabaseCluster", CLUSTER),
            Make("db", "databaseDb:DatabaseDb", {"clusterId": "${main.id}", "name": "villa"}),
            Make("user", "databaseUser:DatabaseUser", {"clusterId": "${main.id}", "name": "app"}),
            Make(
                "sources",
                "databaseFirewall:DatabaseFirewall",
                {
                    "clusterId": "${main.id}",
                    "rules": [{"type": "ip_addr", "value": "203.0.113.7"}, {"type": "ip_addr", "value": "10.0.0.0/16"}],
                },
            ),
            Make(
                "pool",
                "databaseConnectionPool:DatabaseConnectionPool",
                {
                    "clusterId": "${main.id}",
                    "name": "villa-pool",
                    "mode": "transaction",
                    "size": 10,
                    "dbName": "villa",
                    "user": "app",
                },
            ),
            Make(
                "nobody",
                "databaseConnectionPool:DatabaseConnectionPool",
                {"clusterId": "${main.id}", "name": "any-user", "mode": "session", "size": 2, "dbName": "villa"},
            ),
            Diff("db", {"name": "other"}),
            Diff("user", {"name": "other"}),
            Diff("pool", {"size": 11}),
            Diff("pool", {"mode": "session"}),
            Diff("pool", {"user": None}),
            Diff("sources", {"clusterId": "other"}),
            Diff(
                "sources",
                {"rules": [{"type": "ip_addr", "value": "10.0.0.0/16"}, {"type": "ip_addr", "value": "203.0.113.7"}]},
            ),
            Change(
                "sources",
                {"rules": [{"type": "ip_addr", "value": "10.0.0.0/16"}, {"type": "app", "value": "an-app"}]},
            ),
            Import("db", "databaseDb:DatabaseDb", "${main.id},villa"),
            Import("user", "databaseUser:DatabaseUser", "${main.id},app"),
            Import("pool", "databaseConnectionPool:DatabaseConnectionPool", "${main.id},villa-pool"),
            Import("sources", "databaseFirewall:DatabaseFirewall", "${main.id}"),
            Drop("pool"),
            Drop("user"),
            Drop("db"),
        ],
    ),
    Scenario(
        "database-replica",
        [
            Make("main", "databaseCluster:DatabaseCluster", CLUSTER | {"size": "db-s-2vcpu-4gb"}),
            Make(
                "replica",
                "databaseReplica:DatabaseReplica",
                {"clusterId": "${main.id}", "name": "reads", "region": "nyc1", "size": "db-s-2vcpu-4gb"},
            ),
            Diff("replica", {"region": "ams3"}),
            Diff("replica", {"tags": ["new"]}),
            Change("replica", {"size": "db-s-4vcpu-8gb"}),
            Import("replica", "databaseReplica:DatabaseReplica", "${main.id},reads"),
            Drop("replica"),
            Make("net", "vpc:Vpc", {"name": "villa-abroad", "region": "ams3"}),
            Make(
                "abroad",
                "databaseReplica:DatabaseReplica",
                {
                    "clusterId": "${main.id}",
                    "name": "abroad",
                    "region": "ams3",
                    "size": "db-s-2vcpu-4gb",
                    "privateNetworkUuid": "${net.id}",
                },
            ),
            Diff("abroad", {"privateNetworkUuid": "00000000-0000-4000-8000-000000000000"}),
            Diff("abroad", {"privateNetworkUuid": None, "region": "nyc1"}),
            Drop("abroad"),
        ],
    ),
    Scenario(
        "valkey",
        [
            Make(
                "cache",
                "databaseCluster:DatabaseCluster",
                VALKEY | {"evictionPolicy": "allkeys_lru", "tags": ["cache"]},
            ),
            Diff("cache", {"engine": "redis"}),
            Change("cache", {"evictionPolicy": "volatile_ttl"}),
            Change("cache", {"size": "db-s-1vcpu-2gb"}),
            Change("cache", {"evictionPolicy": None}),
            Make("plain", "databaseCluster:DatabaseCluster", VALKEY | {"name": "plain"}),
            Change("plain", {"evictionPolicy": "allkeys_random"}),
            Make(
                "sources",
                "databaseFirewall:DatabaseFirewall",
                {"clusterId": "${cache.id}", "rules": [{"type": "ip_addr", "value": "10.0.0.0/16"}]},
            ),
            Import("cache", "databaseCluster:DatabaseCluster", "${cache.id}"),
            Drop("plain"),
            Drop("sources"),
            Drop("cache"),
        ],
    ),
    Scenario(
        "valkey-config",
        [
            Make("cache", "databaseCluster:DatabaseCluster", VALKEY),
            Make(
                "config",
                "databaseValkeyConfig:DatabaseValkeyConfig",
                {"clusterId": "${cache.id}", "persistence": "off", "timeout": 600, "notifyKeyspaceEvents": "KEA"},
            ),
            Diff("config", {"clusterId": "other"}),
            Change("config", {"timeout": 0, "ssl": False, "frequentSnapshots": True}),
            Change(
                "config",
                {"persistence": "rdb", "lfuLogFactor": 20, "valkeyMaxmemoryPolicy": "allkeys-lru", "ssl": None},
            ),
            Change(
                "config",
                {
                    "aclChannelsDefault": "resetchannels",
                    "ioThreads": 2,
                    "lfuDecayTime": 2,
                    "numberOfDatabases": 32,
                    "pubsubClientOutputBufferLimit": 128,
                    "valkeyActiveExpireEffort": 2,
                    "notifyKeyspaceEvents": None,
                },
            ),
            Import("config", "databaseValkeyConfig:DatabaseValkeyConfig", "${cache.id}"),
            Drop("config"),
        ],
    ),
    Scenario(
        "app",
        [
            Make("api", "app:App", {"spec": APP_SPEC}),
            Diff("api", {"spec": APP_SPEC | {"services": [SERVICE, SERVICE | {"name": "web"}]}}),
            Diff("api", {"spec": APP_SPEC | {"services": [SERVICE | {"envs": list(reversed(SERVICE["envs"]))}]}}),
            Diff("api", {"spec": {k: v for k, v in APP_SPEC.items() if k != "alerts"}}),
            Diff("api", {"projectId": "00000000-0000-4000-8000-000000000000"}),
            Change("api", {"spec": APP_SPEC | {"services": [SERVICE | {"instanceCount": 2}]}}),
            Import("api", "app:App", "${api.id}"),
            Drop("api"),
        ],
    ),
    Scenario("app-everything", [Make("all", "app:App", {"spec": EVERYTHING_SPEC}), Drop("all")]),
    Scenario(
        "app-alert-destinations",
        [
            Make(
                "api",
                "app:App",
                {
                    "spec": {
                        "name": "with-alerts",
                        "alerts": [{"rule": "DEPLOYMENT_FAILED", "destinations": {"emails": ["ops@villa.cash"]}}],
                        "services": [
                            {
                                "name": "s",
                                "alerts": [
                                    SERVICE["alerts"][0]
                                    | {
                                        "destinations": {
                                            "slackWebhooks": [{"channel": "ops", "url": "https://hooks.example/x"}]
                                        }
                                    }
                                ],
                            }
                        ],
                    }
                },
            ),
        ],
    ),
    Scenario(
        "app-secret",
        [
            Make(
                "api",
                "app:App",
                {
                    "spec": {
                        "name": "with-secret",
                        "services": [
                            {
                                "name": "s",
                                "envs": [{"key": "K", "value": "plain", "type": "SECRET", "scope": "RUN_TIME"}],
                            }
                        ],
                    }
                },
            ),
        ],
    ),
    Scenario(
        "monitoring",
        [
            Make(
                "cpu",
                "monitorAlert:MonitorAlert",
                {
                    "type": "v1/dbaas/alerts/cpu_alerts",
                    "compare": "GreaterThan",
                    "value": 80,
                    "window": "5m",
                    "description": "CPU above 80 %",
                    "alerts": {"emails": ["ops@villa.cash"]},
                    "entities": ["a-cluster"],
                },
            ),
            Change("cpu", {"value": 90.5, "enabled": False}),
            Change("cpu", {"alerts": {"slacks": [{"channel": "ops", "url": "https://hooks.example/x"}]}}),
            Import("cpu", "monitorAlert:MonitorAlert", "${cpu.id}"),
            Drop("cpu"),
        ],
    ),
    Scenario(
        "spaces-bucket",
        [
            Make("plain", "spacesBucket:SpacesBucket", {"name": "villa-plain"}),
            Diff("plain", {"region": "fra1"}),
            Diff("plain", {"versioning": {"enabled": False}}),
            Drop("plain"),
            Make("backups", "spacesBucket:SpacesBucket", BUCKET),
            Diff("backups", {"region": "NYC3"}),
            Diff("backups", {"versioning": None}),
            Diff("backups", {"lifecycleRules": None}),
            Change("backups", {"acl": "public-read", "versioning": {"enabled": False}}),
            Change("backups", {"lifecycleRules": [{"enabled": True, "expiration": {"days": 30}}]}),
            Change("backups", {"lifecycleRules": None, "forceDestroy": False}),
            Import("backups", "spacesBucket:SpacesBucket", "nyc3,villa-backups"),
            Drop("backups"),
            Make(
                "rules",
                "spacesBucket:SpacesBucket",
                {
                    "name": "villa-rules",
                    "region": "fra1",
                    "versioning": {"enabled": True},
                    "lifecycleRules": [
                        {"enabled": False, "expiration": {"date": "2030-01-02"}},
                        {"id": "markers", "enabled": True, "expiration": {"expiredObjectDeleteMarker": True}},
                    ],
                },
            ),
            Import("rules", "spacesBucket:SpacesBucket", "fra1,villa-rules"),
            Drop("rules"),
        ],
        spaces=True,
    ),
    Scenario(
        "spaces-key",
        [
            Make("none", "spacesKey:SpacesKey", {"name": "idle"}),
            Drop("none"),
            Make(
                "key",
                "spacesKey:SpacesKey",
                {"name": "backups", "grants": [{"bucket": "villa-backups", "permission": "readwrite"}]},
            ),
            Change("key", {"name": "reader", "grants": [{"bucket": "villa-backups", "permission": "read"}]}),
            Change("key", {"grants": None}),
            Drop("key"),
            Make(
                "full", "spacesKey:SpacesKey", {"name": "all", "grants": [{"bucket": "", "permission": "fullaccess"}]}
            ),
            Drop("full"),
        ],
    ),
]
