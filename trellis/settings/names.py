"""Whether the names that a stack gives to what it makes are names that DigitalOcean and Cloudflare take."""

from collections.abc import Iterator

from trellis.settings.resolved import Settings

# The most characters that DigitalOcean takes. VPCs, firewalls and keys have no limit that a system could reach.
_CLUSTER = 63
_APP = 32
_VOLUME = 64
_DROPLET = 255


def misfits(settings: Settings) -> Iterator[tuple[str, str]]:
    """Keys of the stack's config that give names which are refused, each with the sentence for it."""
    if settings.name_suffix:
        for kind, name, most in _limited(settings):
            made = settings.physical(name)
            if len(made) > most:
                yield (
                    "nameSuffix",
                    f"the {kind} {name} becomes {made}, {len(made)} characters. DigitalOcean takes {most}: shorten "
                    f"the suffix or the name by {len(made) - most}.",
                )
    records = settings.dns.records if settings.dns else ()
    zone = settings.dns.zone if settings.dns else ""
    for record in records:
        if record.host != zone and not record.host.endswith("." + zone):
            yield f"hosts.{record.key}", f"{record.host} is not in the zone {zone}. trellis:dnsZone names another one."
        twice = [other.key for other in records if other.host == record.host]
        if len(twice) > 1:
            yield f"hosts.{record.key}", f"{record.host} is what {' and '.join(twice)} become. Give each its own."


def _limited(settings: Settings) -> Iterator[tuple[str, str, int]]:
    for cluster in settings.standing:
        yield "cluster", cluster.made_as, _CLUSTER
        if cluster.self_hosted:
            yield "volume", f"{cluster.made_as}-data", _VOLUME
        else:
            # It may come with a later phase, when the suffix can no longer be changed.
            yield "read replica", f"{cluster.made_as}-replica-1", _CLUSTER
    for cache in settings.caches:
        yield "cache", cache.cache.name, _CLUSTER
    for app in settings.apps:
        yield "app", app.name, _APP
    for droplet in settings.droplets:
        yield "Droplet", droplet, _DROPLET
    if settings.monitoring:
        yield "Droplet", f"{settings.system}-monitoring", _DROPLET
