"""The drawing as Mermaid, which GitHub shows as a picture.

Mermaid draws a second line of a frame's title over what is inside, and some of its releases wrap a title at 200 pixels.
So titles are short, and a cluster is a node, whose label may have lines. Those wrap at 200 pixels, some 24 characters.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from trellis.policies.kinds import APP, BUCKET, CLUSTER, DROPLET, POOL, POOL_SIZE, REPLICA, VPC
from trellis.settings import AppSettings, ClusterSettings, Settings

# What a label has by its number: what Mermaid, HTML or Markdown would take for theirs. To Markdown an underscore inside
# a word is one.
_SPECIAL = re.compile(r"[^\w .,:/-]|(?<![^\W_])_|_(?![^\W_])")

RECORD = "cloudflare:index/dnsRecord:DnsRecord"
_DRAWN = frozenset({APP, BUCKET, CLUSTER, DROPLET, POOL, RECORD, REPLICA, VPC})

# A resource by its type and the program's name for it.
Resource = tuple[str, str]
# An update of which only `up` will know whether there is one.
PERHAPS = "perhaps"
# Operation -> how what it befalls is drawn. The text is black, for GitHub's dark pages write it white.
_STYLES = {
    "create": "fill:#c6f6d5,stroke:#22863a,color:#000",
    "update": "fill:#fff3bf,stroke:#b08800,color:#000",
    PERHAPS: "fill:#fff3bf,stroke:#b08800,color:#000,stroke-dasharray:4 3",
    "replace": "fill:#ffd8a8,stroke:#d9480f,color:#000",
    "delete": "fill:#ffc9c9,stroke:#c92a2a,color:#000",
}


def as_mermaid(settings: Settings) -> str:
    """A flowchart from DNS names by way of apps, pools and clusters to replicas; what is in a VPC has a frame."""
    return _chart(_Drawing(settings).lines())


def with_changes(settings: Settings, changes: Mapping[Resource, str]) -> str | None:
    """The same with what changes in colour, and what goes away beside it; None where it shows nothing that changes.

    changes: resource -> one of the engine's operations, or PERHAPS.
    """
    drawing = _Drawing(settings)
    coloured = list(drawing.coloured(changes))
    return _chart([*drawing.lines(), *coloured]) if coloured else None


def _chart(lines: Iterable[str]) -> str:
    return "\n".join(["flowchart LR", *(f"  {line}" for line in lines)]) + "\n"


class _Drawing:
    """Names every node by its kind and number: no name of a system can be taken for one of Mermaid's words."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clusters = {one.key: f"cluster{number}" for number, one in enumerate(settings.clusters, 1)}
        self._caches = {one.key: f"cache{number}" for number, one in enumerate(settings.caches, 1)}
        self._apps = {one.name: f"app{number}" for number, one in enumerate(settings.apps, 1)}
        pools = [(cluster.key, pool.name) for cluster in settings.clusters for pool in cluster.pools]
        self._pools = {key: f"pool{number}" for number, key in enumerate(pools, 1)}

    def lines(self) -> Iterator[str]:
        """The chart, without its first line."""
        settings = self._settings
        yield from self._dns()
        yield f"subgraph vpc[{_label(settings.physical(f'{settings.system}-vpc') + ', ' + settings.ip_range)}]"
        # Without it, a frame that nothing outside leads into is drawn from top to bottom.
        yield "  direction LR"
        for app in settings.apps:
            yield f"  {self._apps[app.name]}[{_label(app.name, _several(app.app.instances, app.app.size))}]"
        for number, (name, droplet) in enumerate(settings.droplets.items(), 1):
            yield f"  droplet{number}[{_label(settings.physical(name), f'Droplet {droplet.size}')}]"
        if settings.monitoring:
            machine = settings.physical(f"{settings.system}-monitoring")
            yield f"  monitoring[{_label(machine, f'Droplet {settings.monitoring.size}')}]"
        for cluster in settings.clusters:
            yield from (f"  {line}" for line in self._cluster(cluster))
        for cache in settings.caches:
            what = f"Valkey {cache.cache.version}", _several(cache.nodes, cache.plan.slug)
            yield f"  {self._caches[cache.key]}[({_label(settings.physical(cache.cache.name), *what)})]"
        yield "end"
        yield from self._copies()
        yield from self._dumps()
        for app in settings.apps:
            yield from self._uses(app)
        for number in range(1, len(settings.droplets) + 1):
            yield from (f"droplet{number} --> {cluster}" for cluster in self._clusters.values())
        if settings.monitoring:
            yield from (f"monitoring -.-> {cluster}" for cluster in self._clusters.values())

    def resources(self) -> Iterator[tuple[Resource, str]]:
        """Each resource that has a node of its own, or is a frame, and which."""
        settings = self._settings
        yield (VPC, settings.system), "vpc"
        if settings.copy:
            yield (VPC, f"{settings.system}-copy"), "copy"
        for cluster in settings.clusters:
            node, name = self._clusters[cluster.key], cluster.name
            if cluster.self_hosted:
                # Its pools are no resources: the server is told of them.
                yield (DROPLET, name), node
                yield (BUCKET, f"{name}-dumps"), f"{node}dumps"
                continue
            yield (CLUSTER, name), node
            yield from (((POOL, f"{name}-{pool.name}"), self._pools[cluster.key, pool.name]) for pool in cluster.pools)
            for number in range(1, cluster.replicas + 1):
                yield (REPLICA, f"{name}-replica-{number}"), f"{node}replica{number}"
            if settings.copy:
                yield (REPLICA, f"{name}-copy"), f"{node}copy"
        yield from (((CLUSTER, cache.cache.name), self._caches[cache.key]) for cache in settings.caches)
        yield from (((APP, name), node) for name, node in self._apps.items())
        yield from (((DROPLET, name), f"droplet{number}") for number, name in enumerate(settings.droplets, 1))
        if settings.monitoring:
            yield (DROPLET, f"{settings.system}-monitoring"), "monitoring"
        for number, record in enumerate(settings.dns.records if settings.dns else (), 1):
            yield (RECORD, f"{settings.system}-dns-{record.key}"), f"dns{number}"

    def coloured(self, changes: Mapping[Resource, str]) -> Iterator[str]:
        """What is deleted as nodes of their own, and the classes of all that changes."""
        nodes = dict(self.resources())
        # A pool's size is a resource beside it.
        sizes = (name for (kind, name), change in changes.items() if kind == POOL_SIZE and change == "update")
        changes = {**{(POOL, name.removesuffix("-size")): "update" for name in sizes}, **changes}
        gone = (one for one, change in changes.items() if change == "delete" and one[0] in _DRAWN and one not in nodes)
        for number, (kind, name) in enumerate(list(gone), 1):
            nodes[kind, name] = f"gone{number}"
            yield f"gone{number}[{_label(name, kind.rpartition(':')[2])}]"
        for change, style in _STYLES.items():
            changed = [node for one, node in nodes.items() if changes.get(one) == change]
            if changed:
                yield f"classDef {change} {style}"
                yield f"class {','.join(changed)} {change}"

    def _dns(self) -> Iterator[str]:
        dns = self._settings.dns
        for number, record in enumerate(dns.records if dns else (), 1):
            proxied = "Cloudflare, proxied" if record.proxied else "Cloudflare"
            yield f"dns{number}([{_label(record.host, proxied)}]) --> {self._apps[record.app]}"

    def _cluster(self, cluster: ClusterSettings) -> Iterator[str]:
        node, name = self._clusters[cluster.key], self._settings.physical(cluster.name)
        yield f"{node}[({_label(name, *_figures(cluster))})]"
        for pool in cluster.pools:
            made = self._pools[cluster.key, pool.name]
            label = _label(pool.name, f"{pool.size} connections", pool.mode.value)
            leads = f"-->|{_label(pool.database)}|" if len(cluster.databases) > 1 else "-->"
            yield f"{made}([{label}]) {leads} {node}"
        for number in range(1, cluster.replicas + 1):
            replica = _label(f"{name}-replica-{number}", "read-only", cluster.plan.slug)
            yield f"{node} -.-> {node}replica{number}[({replica})]"

    def _copies(self) -> Iterator[str]:
        copy = self._settings.copy
        if copy is None:
            return
        vpc = self._settings.physical(f"{self._settings.system}-copy-vpc")
        yield f"subgraph copy[{_label(f'{vpc}, {copy.ip_range}')}]"
        for cluster in self._settings.clusters:
            name = self._settings.physical(cluster.name)
            yield f"  {self._clusters[cluster.key]}copy[({_label(f'{name}-copy', copy.region, cluster.plan.slug)})]"
        yield "end"
        yield from (f"{cluster} -.-> {cluster}copy" for cluster in self._clusters.values())

    def _dumps(self) -> Iterator[str]:
        for cluster in self._settings.clusters:
            if cluster.self_hosted:
                node, kept = self._clusters[cluster.key], f"dumps of {cluster.self_hosted.dump.keep_days} days"
                yield f"{node} -.-> {node}dumps[({_label('Spaces', kept)})]"

    def _uses(self, app: AppSettings) -> Iterator[str]:
        node = self._apps[app.name]
        if app.cluster and app.pool:
            yield f"{node} --> {self._pools[app.cluster, app.pool]}"
        if app.cache:
            yield f"{node} --> {self._caches[app.cache]}"
        yield from (f"{node} --> {self._apps[other]}" for other in app.app.apps)


def _figures(cluster: ClusterSettings) -> Iterator[str]:
    yield f"PostgreSQL {cluster.version}, {cluster.plan.storage_gib} GiB"
    yield ("Droplet " if cluster.self_hosted else "") + _several(cluster.nodes, cluster.plan.slug)
    yield f"{cluster.budget.limit} connections"
    yield f"{cluster.budget.headroom} kept free"
    first, *others = (database.name for database in cluster.databases)
    yield from ("databases:", first, *others) if others else (f"database {first}",)


def _several(number: int, size: str) -> str:
    return size if number == 1 else f"{number} x {size}"


def _label(*lines: str) -> str:
    return '"' + "<br/>".join(_SPECIAL.sub(lambda found: f"#{ord(found[0])};", line) for line in lines) + '"'
