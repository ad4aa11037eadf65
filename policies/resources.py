"""A stack as the policies see it: resources, what belongs to what, and what comes before what."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pulumi_policy import PolicyResource, ResourceValidationArgs

from trellis.settings.catalogue import Phase

from .fields import UNKNOWN, Fields
from .kinds import CLUSTER, DROPLET_AUTOSCALE, PHASE, POSTGRESQL
from .prices import told
from .texts import readings

# What finds a database in user data and in an image's name.
SERVERS = "postgres|pgbouncer|mysql|mariadb|percona|mongo|redis|valkey|timescale|cockroach|clickhouse|elasticsearch"
_DOWNLOADS = re.compile(r"\b(?:curl|wget)\b[^\n]*\|\s*(?:sudo\s+)?\w*sh\b|^#include\b", re.MULTILINE)


class Resource:
    """One resource and its properties.

    asked: the properties as the program wrote them. A provider may keep another form: of a Droplet's user data a hash.
    """

    def __init__(self, made: ResourceValidationArgs | PolicyResource, asked: Mapping[str, Any] | None = None) -> None:
        self.made = made
        self.urn = made.urn
        self.name = made.name
        self.type = made.resource_type
        self.fields = Fields(made.props)
        self.asked = self.fields if asked is None else Fields(asked, waiting=self.fields.waiting)

    @property
    def called(self) -> str:
        """Its name at DigitalOcean where that is known, else the program's."""
        name = self.fields.peek("name")
        return name if isinstance(name, str) else self.name

    @property
    def protected(self) -> bool:
        """Whether Pulumi refuses to delete or replace it."""
        return bool(self.made.opts.protect)

    @property
    def deleted_before_replaced(self) -> bool:
        """Whether the program asks for the old one to go first."""
        return bool(self.made.opts.delete_before_replace)

    @property
    def ignored(self) -> frozenset[str]:
        """The properties whose changes the program tells Pulumi to ignore; `*` for all."""
        return frozenset(
            re.split(r"[.\[]", path.lstrip('["').replace('"]', "."))[0] for path in self.made.opts.ignore_changes or ()
        )

    @property
    def engine(self) -> Any:
        """A cluster's engine as DigitalOcean spells it, or UNKNOWN."""
        engine = self.fields.peek("engine")
        return engine.lower() if isinstance(engine, str) else engine

    def starts(self, servers: str) -> str | None:
        """The database that a Droplet, or one of a template, starts as far as its user data and image tell.

        servers: a regular expression. "what it downloads" where it runs a script that nobody can read here.
        """
        template = self.asked.object("dropletTemplate") if self.type == DROPLET_AUTOSCALE else self.asked
        data, image = template.get("userData"), template.peek("image")
        texts = [*(readings(data) if isinstance(data, str) else ()), image if isinstance(image, str) else ""]
        for text in texts:
            if found := re.search(servers, text, re.IGNORECASE):
                return found[0]
        return "what it downloads" if any(map(_DOWNLOADS.search, texts)) else None

    @property
    def is_component(self) -> bool:
        """Whether it only groups others."""
        return self.made.provider is None

    @property
    def on_this_machine(self) -> bool:
        """Whether its provider talks to an API on this machine, and so to nothing that anybody pays for."""
        if self.made.provider is None:
            return False
        endpoint = Fields(self.made.provider.props).peek("apiEndpoint")
        try:
            return bool(endpoint) and ipaddress.ip_address(urlsplit(endpoint).hostname or "").is_loopback
        except ValueError:
            return False

    def uses(self, key: str, other: "Resource") -> bool:
        """Whether a property was made from another resource's outputs, or is its id, alone or in a list."""
        value, identity = self.fields.peek(key), other.fields.peek("id")
        if isinstance(value, str) and isinstance(identity, str):
            return value == identity
        return self.made_from(key, other) or (
            # A Droplet's id is a text, and a number in a list of Droplets.
            isinstance(identity, str)
            and identity in {f"{one:.0f}" if isinstance(one, float) else one for one in self._values(key)}
        )

    def _values(self, key: str) -> list[Any]:
        return Fields(self.made.props).values(key)

    def made_from(self, key: str, other: "Resource") -> bool:
        """Whether a property was made from another resource's outputs."""
        return other.urn in {made.urn for made in self._property_dependencies.get(key, ())}

    def comes_after(self, other: "Resource") -> bool:
        """Whether it waits for the other one, directly or by way of others.

        A resource is registered after the component around it, and so after what the component waits for.
        """
        seen: set[str] = set()
        ahead = _ahead(self.made)
        while ahead:
            made = ahead.pop()
            if made.urn == other.urn:
                return True
            if made.urn not in seen:
                seen.add(made.urn)
                ahead += _ahead(made)
        return False

    @property
    def _property_dependencies(self) -> Mapping[str, Sequence[PolicyResource]]:
        return self.made.property_dependencies if isinstance(self.made, PolicyResource) else {}


def _ahead(made: ResourceValidationArgs | PolicyResource) -> list[PolicyResource]:
    if isinstance(made, ResourceValidationArgs):
        return []
    return [*made.dependencies, *([made.parent] if made.parent else [])]


class Stack:
    """All resources of a stack.

    given: the pack-wide settings, phase, prices and developmentStacks. asked: what each resource was asked with, by its
    URN.
    """

    def __init__(
        self,
        made: Iterable[PolicyResource],
        given: Mapping[str, Any],
        asked: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.resources = [Resource(one, (asked or {}).get(one.urn)) for one in made]
        self._given = given

    @property
    def phase(self) -> Phase | None:
        """The phase that the pack's config names, else the one that Trellis recorded, else None."""
        recorded = (one.fields.peek("phase") for one in self.of(PHASE))
        named = self._given.get("phase") or next((phase for phase in recorded if phase), None)
        return Phase(named) if named in set(Phase) else None

    @property
    def prices(self) -> Mapping[str, float]:
        """Size -> US dollars a month, before the catalogue's: the pack's config, then what Trellis recorded."""
        recorded = (one.fields.peek("prices") for one in self.of(PHASE))
        own = next((prices for prices in recorded if isinstance(prices, Mapping)), {})
        return {**told(own), **self._given.get("prices", {})}

    @property
    def development(self) -> bool:
        """Whether the stack may be thrown away: by its name, or because its cloud is on this machine."""
        clouds = [one.on_this_machine for one in self.resources if one.type.startswith("digitalocean:")]
        named = {one.urn.split("::")[0].rpartition(":")[2] for one in self.resources}
        return bool(named & set(self._given.get("developmentStacks", ()))) or (bool(clouds) and all(clouds))

    def of(self, *types: str) -> Iterator[Resource]:
        """Every resource of the given types."""
        return (one for one in self.resources if one.type in types)

    def of_cluster(self, cluster: Resource, kind: str, *, key: str = "clusterId") -> list[Resource]:
        """The resources of a type that belong to a cluster."""
        return [one for one in self.of(kind) if one.uses(key, cluster)]


def postgresql(stack: Stack) -> list[Resource]:
    """The stack's PostgreSQL clusters; one whose engine is not known counts."""
    return [one for one in stack.of(CLUSTER) if one.engine in (*POSTGRESQL, UNKNOWN)]


def is_attached(database: Fields) -> bool:
    """Whether a database component of an app is a cluster: said to be, or by the cluster's name."""
    return bool(database.get("production")) or database.has("clusterName")
