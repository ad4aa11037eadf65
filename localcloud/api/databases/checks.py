"""What may be asked of a cluster or a replica: plans, regions, storage, names, networks, projects, tags."""

import re
from collections.abc import Sequence
from datetime import date

from localcloud import catalogue, servers
from localcloud.api.call import Call
from localcloud.api.errors import NotImplementedHere, Unprocessable
from localcloud.catalogue import EngineType, Plan
from localcloud.networks import PRIVATE_HOST, PUBLIC_HOST, check_region, default_vpc
from localcloud.records import Cluster, Vpc, now
from localcloud.state import Tables

_CLUSTER_NAME = re.compile(r"^[a-z][a-z0-9-]{1,61}[a-z0-9]$")
_INNER_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$")
_TAG = re.compile(r"^[a-zA-Z0-9_:-]{1,255}$")


def engine(name: str) -> EngineType:
    """Raises Unprocessable for an engine nobody knows, NotImplementedHere for one that does not run here."""
    if name not in catalogue.ENGINES:
        raise Unprocessable(f"engine {name}: there is no such engine. Allowed: {', '.join(catalogue.ENGINES)}.")
    if name not in catalogue.RUNNING:
        raise NotImplementedHere(f'databases of the engine "{name}"; it runs {" and ".join(catalogue.RUNNING)}')
    return catalogue.RUNNING[name]


def version(call: Call, of: EngineType, asked: str) -> str:
    """The major to run. Raises Unprocessable when DigitalOcean does not offer it or it is not installed here."""
    major = asked or of.default_version
    if major not in of.versions:
        allowed = ", ".join(of.versions)
        raise Unprocessable(f"version {major}: not a {of.title} version that is offered. Allowed: {allowed}.")
    installed = installed_versions(call, of)
    if major not in installed:
        where = f" Installed in {call.cloud.options.postgresql}: {', '.join(installed) or 'none'}."
        raise Unprocessable(
            f"version {major}: not installed for this local cloud."
            + (where if of.slug != "valkey" else " Start it with --valkey PATH, or with valkey-server on PATH.")
        )
    return major


def installed_versions(call: Call, of: EngineType) -> list[str]:
    """The versions of an engine that this local cloud can run."""
    tools = call.cloud.fleet.tools
    if of.slug == "valkey":
        return list(of.versions) if tools.valkey else []
    return [major for major in of.versions if major in tools.majors()]


def today(tables: Tables) -> date:
    """The day that the rules of editions go by."""
    return date.fromisoformat(tables.account.today) if tables.account.today else catalogue.USUAL_DAY


def room(tables: Tables, size: str, region: str) -> None:
    """Raises Unprocessable unless the account may have one more cluster, of this size in this region."""
    if len(tables.clusters) >= catalogue.MAX_CLUSTERS:
        raise Unprocessable(f"The account has {catalogue.MAX_CLUSTERS} database clusters, the most it may have.")
    offered(tables, size, region)


def offered(tables: Tables, size: str, region: str) -> None:
    """Raises Unprocessable where a region does not have a size."""
    if region in tables.account.unavailable.get(size, ()):
        raise Unprocessable(f"size {size}: it is not available in {region}.")


def moment(tables: Tables) -> str:
    """Now, as the account's records have it: at this time of the account's day, where it has one."""
    return f"{tables.account.today}{now()[10:]}" if tables.account.today else now()


def limited(tables: Tables, of: EngineType) -> bool:
    """Whether a cluster of this engine that is made now falls under Standard's limits."""
    since = tables.account.since
    known = bool(since) and date.fromisoformat(since) < catalogue.LIMITED_NEW_FROM
    return of.slug == "pg" and today(tables) >= (catalogue.LIMITED_FROM if known else catalogue.LIMITED_NEW_FROM)


def most_nodes(of: Plan, limits: bool) -> int:
    """0: a cluster under Standard's limits has no such plan."""
    if limits:
        return int(of.memory_gib <= catalogue.LIMITED_GIB)
    return of.max_nodes


def within_limits(cluster: Cluster, what: str) -> None:
    """Raises Unprocessable for a cluster under Standard's limits, which has no `what`."""
    if cluster.limited:
        raise Unprocessable(_limit(what))


def _limit(what: str) -> str:
    return (
        f"{what}: a Standard cluster of PostgreSQL that is made from {catalogue.LIMITED_FROM} on, by a new account from"
        f" {catalogue.LIMITED_NEW_FROM} on, has at most {catalogue.LIMITED_GIB} GiB, no standby and no read-only nodes."
        ' Order one of the engine "advanced_pg".'
    )


def plan(slug: str, of: EngineType) -> Plan:
    """Raises Unprocessable."""
    try:
        return of.plans[slug]
    except KeyError:
        allowed = ", ".join(of.plans)
        raise Unprocessable(f"size {slug}: there is no such plan of {of.title}. Allowed: {allowed}.") from None


def region(slug: str) -> str:
    """Raises Unprocessable."""
    try:
        return check_region(slug)
    except ValueError as problem:
        raise Unprocessable(str(problem)) from problem


def ports(tables: Tables) -> tuple[int, int]:
    """Of a new cluster's or replica's servers, or of its metrics, free on both hosts."""
    taken = {item.port for item in (*tables.clusters.values(), *tables.replicas.values())}
    taken |= {item.metrics_port for item in tables.clusters.values()}
    return servers.choose_ports((PUBLIC_HOST, PRIVATE_HOST), taken)


def nodes(number: int, of: Plan, limits: bool) -> int:
    """Raises Unprocessable: 1 to 3 nodes, and only one on a 1 GiB plan. limits: whether Standard's hold."""
    if limits and not 1 <= number <= most_nodes(of, limits):
        raise Unprocessable(_limit(f"size {of.slug}, num_nodes {number}"))
    if not 1 <= number <= of.max_nodes:
        allowed = "1 (a 1 GiB plan has no standby)" if of.max_nodes == 1 else f"1 to {of.max_nodes}"
        raise Unprocessable(f"num_nodes {number}: not possible with the plan {of.slug}. Allowed: {allowed}.")
    return number


def storage(mib: int | None, of: Plan) -> int:
    """The disk in MiB; the plan's own when nothing was asked for. Raises Unprocessable outside the plan's bounds."""
    size = mib or of.storage_mib
    if not of.storage_mib <= size <= of.max_storage_mib:
        raise Unprocessable(
            f"storage_size_mib {size}: not possible with the plan {of.slug}. "
            f"Allowed: {of.storage_mib} to {of.max_storage_mib}."
        )
    return size


def network(tables: Tables, vpc_id: str, region: str, field: str = "private_network_uuid") -> Vpc:
    """The VPC asked for in `field`, or the region's default one. Raises Unprocessable when it is not in the region."""
    if not vpc_id:
        return default_vpc(tables, region)
    vpc = tables.vpcs.get(vpc_id)
    if vpc is None:
        raise Unprocessable(f"{field} {vpc_id}: there is no VPC with this id.")
    if vpc.region != region:
        raise Unprocessable(f"{field}: the VPC {vpc.name} is in {vpc.region}, not in {region}.")
    return vpc


def project(tables: Tables, project_id: str) -> str:
    """The asked project's id, or the default one's. Raises Unprocessable."""
    if not project_id:
        return next(item.id for item in tables.projects.values() if item.is_default)
    if project_id not in tables.projects:
        raise Unprocessable(f"project_id {project_id}: there is no project with this id.")
    return project_id


def name(tables: Tables, asked: str) -> str:
    """Raises Unprocessable for a malformed name and for one another cluster has."""
    if not _CLUSTER_NAME.match(asked):
        raise Unprocessable(
            f"name {asked!r}: allowed are 3 to 63 lower-case letters, digits and dashes, a letter first, no dash last."
        )
    if any(cluster.name == asked for cluster in tables.clusters.values()):
        raise Unprocessable(f"name {asked}: another database cluster of the account has this name.")
    return asked


def inner_name(asked: str) -> str:
    """A database's, a user's or a pool's. Raises Unprocessable."""
    if not _INNER_NAME.match(asked):
        raise Unprocessable(
            f"name {asked!r}: allowed are 1 to 63 letters, digits, underscores and dashes, no dash first."
        )
    return asked


def tags(asked: Sequence[str] | None) -> tuple[str, ...]:
    """Raises Unprocessable."""
    for tag in asked or ():
        if not _TAG.match(tag):
            raise Unprocessable(f"tags: {tag!r}: allowed are up to 255 letters, digits, dashes, underscores, colons.")
    return tuple(dict.fromkeys(asked or ()))
