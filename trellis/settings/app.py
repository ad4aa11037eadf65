"""What uses the databases: apps on App Platform, Droplets, and the DNS names that lead to apps."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from trellis.settings.catalogue import DROPLETS
from trellis.settings.model import AppName, Hostname, ImageTag, Misfit, Model, VariableName, one_of, unknown


class Image(Model):
    """The container image of an app. `registry` is needed for Docker Hub and GHCR, and empty for DigitalOcean's own."""

    registry_type: Literal["DOCR", "DOCKER_HUB", "GHCR"] = "DOCR"
    registry: str | None = None
    repository: str
    tag: ImageTag = "latest"


REFERENCE = re.compile(r"\$\{([^}]*)\}")
# What `${…}` may name in an app's environment, by the key of the app that says which one is meant. The replica's are
# empty in a phase without one, and the cache's in a stack without it.
REFERENCES = {
    "pool": (
        *(f"pool.{field}" for field in ("url", "host", "port", "name", "user", "password", "ca")),
        *(f"replica.{field}" for field in ("url", "host", "port")),
    ),
    "cache": tuple(f"cache.{field}" for field in ("url", "host", "port", "user", "password", "ca")),
}

_OTHER_APP = re.compile(r"apps\.([^.]+)\.(?:url|host)")


class App(Model):
    """One App Platform app with one service.

    pool: "<cluster>.<pool>", the pool that `${pool.…}` in its environment stands for; `${replica.…}` is the same
        database on the cluster's first replica.
    cache: the cache that `${cache.…}` stands for.
    environment: variables of the service. `${pool.url}`, `${cache.url}` and their like are filled in, and
        `${apps.<app>.url}` and `${apps.<app>.host}` lead to an app of the system.
    """

    image: Image
    port: int = Field(default=8080, ge=1, le=65535)
    health_check: Annotated[str, StringConstraints(pattern=r"^/")] = "/"
    size: str = "apps-s-1vcpu-0.5gb"
    instances: int = Field(default=1, ge=1)
    pool: str | None = None
    cache: str | None = None
    environment: dict[VariableName, str] = {}

    @model_validator(mode="after")
    def _references(self) -> Self:
        for name, value in self.environment.items():
            for reference in REFERENCE.findall(value):
                if _OTHER_APP.fullmatch(reference):
                    continue
                key = next((key for key, names in REFERENCES.items() if reference in names), None)
                if key is None:
                    known = (name for names in REFERENCES.values() for name in names)
                    others = ("apps.<app>.url", "apps.<app>.host")
                    raise Misfit(("environment", name), unknown("reference", reference, (*known, *others)))
                if getattr(self, key) is None:
                    raise Misfit(("environment", name), f"${{{reference}}} needs the key `{key}` in this app")
            if "${" in REFERENCE.sub("", value):
                raise Misfit(("environment", name), "a `${` has no `}`")
        return self

    @property
    def apps(self) -> Mapping[str, str]:
        """The apps that the environment refers to, each with the variable that does."""
        return {
            found.group(1): name
            for name, value in self.environment.items()
            for reference in REFERENCE.findall(value)
            if (found := _OTHER_APP.fullmatch(reference))
        }


class Droplet(Model):
    """A Droplet that uses the clusters: it joins the VPC, and every cluster trusts it by its id."""

    image: str = "debian-12-x64"
    size: Annotated[str, one_of("Droplet size", frozenset(DROPLETS))]


class Record(Model):
    """A DNS name that leads to an app."""

    app: AppName
    proxied: bool = True


class Dns(Model):
    """DNS names in a zone at Cloudflare."""

    provider: Literal["cloudflare"] = "cloudflare"
    zone: Hostname
    records: dict[Hostname, Record]

    @model_validator(mode="after")
    def _in_zone(self) -> Self:
        for name in self.records:
            if name != self.zone and not name.endswith("." + self.zone):
                raise Misfit(("records", name), f"not in the zone {self.zone}")
        return self
