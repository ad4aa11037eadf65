"""The shape of an App Platform spec: the same names, renames and plurals as the official plugin has."""

from localcloud.providers.schema import (
    Kind,
    Mode,
    Property,
    boolean,
    each,
    integer,
    nested,
    number,
    objects,
    text,
    texts,
)

FOUND = 302


def _general_is_unset(kind: str) -> str:
    """GENERAL is what an unset type means; the API often leaves it out, and so does the official plugin."""
    return "" if kind == "GENERAL" else kind


ENVS = objects(
    "envs",
    (
        text("key"),
        text("value", secret=True),
        text("scope", default="RUN_AND_BUILD_TIME", choices=("UNSET", "RUN_TIME", "BUILD_TIME", "RUN_AND_BUILD_TIME")),
        text("type", Mode.OPTIONAL_COMPUTED, choices=("GENERAL", "SECRET"), normalise=_general_is_unset),
    ),
    Kind.SET,
)

DESTINATIONS = nested(
    "destinations",
    (texts("emails"), objects("slackWebhooks", (text("channel", Mode.REQUIRED), text("url", Mode.REQUIRED)))),
    # Destinations are not part of a spec: they are set per alert once the app is there.
    sent=False,
    received=False,
)

COMPONENT_ALERTS = objects(
    "alerts",
    (
        text(
            "rule", Mode.REQUIRED, choices=("UNSPECIFIED_RULE", "CPU_UTILIZATION", "MEM_UTILIZATION", "RESTART_COUNT")
        ),
        text("operator", Mode.REQUIRED, choices=("GREATER_THAN", "LESS_THAN", "UNSPECIFIED_OPERATOR")),
        number("value", Mode.REQUIRED, within=(0, float("inf"))),
        text(
            "window",
            Mode.REQUIRED,
            choices=("FIVE_MINUTES", "TEN_MINUTES", "THIRTY_MINUTES", "ONE_HOUR", "UNSPECIFIED_WINDOW"),
        ),
        boolean("disabled", default=False),
        DESTINATIONS,
    ),
)

APP_ALERTS = objects(
    "alerts",
    (
        text(
            "rule",
            Mode.REQUIRED,
            choices=(
                *(f"DEPLOYMENT_{end}" for end in ("FAILED", "LIVE", "STARTED", "CANCELED")),
                *("DOMAIN_FAILED", "DOMAIN_LIVE", "AUTOSCALE_FAILED", "AUTOSCALE_SUCCEEDED"),
            ),
        ),
        boolean("disabled", default=False),
        DESTINATIONS,
    ),
)

ROUTES = objects("routes", (text("path"), boolean("preservePathPrefix")), mode=Mode.OPTIONAL_COMPUTED)


REPOSITORY = (text("repo"), text("branch"), boolean("deployOnPush"))
SOURCES = (
    nested("git", (text("repoCloneUrl"), text("branch"))),
    *(nested(host, REPOSITORY) for host in ("github", "gitlab", "bitbucket")),
)

IMAGE = nested(
    "image",
    (
        text("registryType", Mode.REQUIRED, choices=("UNSPECIFIED", "DOCKER_HUB", "DOCR", "GHCR")),
        text("registry"),
        text("repository", Mode.REQUIRED),
        *each(text, "tag digest"),
        objects(
            "deployOnPushes", (boolean("enabled"),), mode=Mode.OPTIONAL_COMPUTED, wire="deploy_on_push", single=True
        ),
        text("registryCredentials", secret=True),
    ),
)


def _health_check(name: str) -> Property:
    return nested(
        name,
        (
            integer("port", within=(1, 65535)),
            text("httpPath"),
            *each(integer, "initialDelaySeconds periodSeconds timeoutSeconds successThreshold failureThreshold"),
        ),
    )


SOURCE_COMPONENT = (text("name", Mode.REQUIRED), *SOURCES, ENVS, text("sourceDir"))
BUILT_COMPONENT = (*SOURCE_COMPONENT, text("environmentSlug"), text("dockerfilePath"), text("buildCommand"))
OBSERVED = (COMPONENT_ALERTS,)
INSTANCES = (text("runCommand"), text("instanceSizeSlug"), integer("instanceCount"), IMAGE)

SERVICES = objects(
    "services",
    (
        *BUILT_COMPONENT,
        *OBSERVED,
        *INSTANCES,
        integer("httpPort", Mode.OPTIONAL_COMPUTED),
        _health_check("healthCheck"),
        _health_check("livenessHealthCheck"),
        ROUTES,
        texts("internalPorts", Kind.SET, Mode.OPTIONAL_COMPUTED, of=Kind.INTEGER),
    ),
)
STATIC_SITES = objects(
    "staticSites",
    (*BUILT_COMPONENT, *each(text, "outputDir indexDocument errorDocument catchallDocument"), ROUTES),
)
WORKERS = objects(
    "workers",
    (*BUILT_COMPONENT, *OBSERVED, *INSTANCES, _health_check("livenessHealthCheck")),
)
JOBS = objects(
    "jobs",
    (
        *BUILT_COMPONENT,
        *OBSERVED,
        *INSTANCES,
        text("kind", default="UNSPECIFIED", choices=("UNSPECIFIED", "PRE_DEPLOY", "POST_DEPLOY", "FAILED_DEPLOY")),
    ),
)
FUNCTIONS = objects("functions", (*SOURCE_COMPONENT, *OBSERVED, ROUTES))

DATABASES = objects(
    "databases",
    (
        text("name"),
        text("engine", choices=("UNSET", "MYSQL", "PG", "REDIS", "MONGODB", "KAFKA", "OPENSEARCH", "VALKEY")),
        text("version"),
        boolean("production"),
        *each(text, "clusterName dbName dbUser"),
    ),
)

DOMAIN_NAMES = objects(
    "domainNames",
    (
        text("name", Mode.REQUIRED, wire="domain"),
        text("type", Mode.OPTIONAL_COMPUTED, choices=("DEFAULT", "PRIMARY", "ALIAS")),
        boolean("wildcard", Mode.OPTIONAL_COMPUTED),
        text("zone"),
    ),
    mode=Mode.OPTIONAL_COMPUTED,
    wire="domains",
)
DOMAINS = texts("domains", Kind.SET, Mode.OPTIONAL_COMPUTED, sent=False, received=False)

INGRESS = nested(
    "ingress",
    (
        objects(
            "rules",
            (
                nested(
                    "match",
                    (
                        nested("path", (text("prefix", keep_empty=True),)),
                        nested("authority", (text("exact", keep_empty=True),)),
                    ),
                ),
                nested("component", (text("name"), boolean("preservePathPrefix"), text("rewrite"))),
                nested(
                    "redirect",
                    (
                        *each(text, "uri authority"),
                        integer("port"),
                        text("scheme"),
                        integer("redirectCode", default=FOUND),
                    ),
                ),
            ),
        ),
        nested("secureHeader", (text("key", keep_empty=True), text("value"))),
    ),
    Mode.OPTIONAL_COMPUTED,
)

SPEC = nested(
    "spec",
    (
        text("name", Mode.REQUIRED, within=(2, 32)),
        text("region"),
        *each(boolean, "disableEdgeCache disableEmailObfuscation enhancedThreatControlEnabled", default=False),
        DOMAIN_NAMES,
        texts("features", Kind.SET, Mode.OPTIONAL_COMPUTED),
        DOMAINS,
        SERVICES,
        STATIC_SITES,
        WORKERS,
        JOBS,
        FUNCTIONS,
        DATABASES,
        ENVS,
        APP_ALERTS,
        INGRESS,
        objects("egresses", (text("type", choices=("AUTOASSIGN", "DEDICATED_IP")),), wire="egress", single=True),
        nested("maintenance", (boolean("enabled"), boolean("archive"), text("offlinePageUrl"))),
        objects("vpcs", (text("id", Mode.REQUIRED),), wire="vpc", single=True),
    ),
    received=False,
)
