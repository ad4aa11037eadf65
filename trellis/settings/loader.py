"""Reads a stack's config and its system file and checks one against the other."""

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trellis.settings import names
from trellis.settings.catalogue import WIDEST_TRUSTED_PREFIX, Phase
from trellis.settings.errors import SettingsError
from trellis.settings.explain import explain
from trellis.settings.resolve import laid_out, resolve, told
from trellis.settings.resolved import Settings, second_login
from trellis.settings.source import Location, Source, read, shown
from trellis.settings.stack import Copy, Environment, StackConfig
from trellis.settings.system import Mode, System

NAMESPACE = "trellis"
_LONGEST_NAME = 63
# Names that are kept for examples and tests (RFC 2606, RFC 6761): no mail to them arrives.
_PLACEHOLDER = re.compile(r"[@.](example(\.(com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)


def load(config: Mapping[str, str], root: Path, *, stack: str) -> Settings:
    """The settings of one stack.

    config: the stack's config as Pulumi hands it over: every key with its namespace, every value as text,
        lists and mappings as JSON.
    root: the folder that holds systems/ and migrations/.
    stack: the stack's name, for errors.

    Raises SettingsError, with one line a complaint, before anything is built.
    """
    file = f"Pulumi.{stack}.yaml"
    chosen = _stack_config(config, file)
    source = read(_system_file(chosen.system, root, file), name=f"systems/{chosen.system}.yaml")
    try:
        system = System.model_validate(source.data)
    except ValidationError as error:
        raise SettingsError(explain(error, System, source.place)) from error
    if system.name != chosen.system:
        raise SettingsError(f"{source.place(('name',))}: {system.name!r}; a system is named like its file.")
    for key, complaint in _disagreements(chosen, system, source, root):
        raise SettingsError(f"{file}, {NAMESPACE}:{key}: {complaint}")
    settings = resolve(system, chosen, source, root)
    for key, complaint in names.misfits(settings):
        raise SettingsError(f"{file}, {NAMESPACE}:{key}: {complaint}")
    return settings


def _stack_config(config: Mapping[str, str], file: str) -> StackConfig:
    def place(location: Location) -> str:
        key, *rest = (shown(str(part)) for part in location)
        return f"{file}, {'.'.join([f'{NAMESPACE}:{key}', *rest])}"

    values = {key.partition(":")[2]: _value(text) for key, text in config.items() if key.startswith(NAMESPACE + ":")}
    try:
        return StackConfig.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, StackConfig, place)) from error


def _value(text: str) -> Any:
    # Pulumi hands lists, mappings, numbers and booleans over as JSON and strings as they are.
    if text[:1] in ("[", "{") or text in ("true", "false"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _system_file(name: str, root: Path, file: str) -> Path:
    known = sorted(path.stem for path in (root / "systems").glob("*.yaml"))
    if name not in known:
        raise SettingsError(
            f"{file}, {NAMESPACE}:system: there is no system {name!r}. "
            f"Known: {', '.join(known) or 'none'} (the files in systems/)."
        )
    return root / "systems" / f"{name}.yaml"


def _disagreements(chosen: StackConfig, system: System, source: Source, root: Path) -> list[tuple[str, str]]:
    """Keys of the stack's config that the system file has no place for, each with the sentence for it."""
    offered = f"Offered in {source.name}: {', '.join(system.modes)}."
    found = [
        (key, f"{system.name} does not offer {mode.value!r}. {offered}")
        for key, mode in (("mode", chosen.mode), ("fallback", chosen.fallback))
        if mode is not None and mode not in system.modes
    ]
    if chosen.phase is not Phase.LAUNCH:
        found += [
            (
                "trustedSources",
                f"{value} admits {_how_many(IPv4Network(value))}, which the phase {chosen.phase} does not allow. "
                f"Name addresses, or ranges of at most a /{WIDEST_TRUSTED_PREFIX}.",
            )
            for value in chosen.trusted_sources
            if IPv4Network(value).prefixlen < WIDEST_TRUSTED_PREFIX
        ]
    found += [
        (f"imageTags.{name}", f"{system.name} has no such app. Known: {', '.join(system.apps) or 'none'}.")
        for name in chosen.image_tags
        if name not in system.apps
    ]
    records = system.dns.records if system.dns else {}
    found += [
        (f"hosts.{host}", f"{system.name} has no such DNS name. Known: {', '.join(records) or 'none'}.")
        for host in chosen.hosts
        if host not in records
    ]
    if chosen.dns_zone and not records:
        found.append(("dnsZone", f"{system.name} has no DNS names. Put them under `dns` in {source.name}."))
    optional = [key for key, cache in system.caches.items() if cache.optional]
    found += [
        ("caches", f"{name!r} is no optional cache of {system.name}. Known: {', '.join(optional) or 'none'}.")
        for name in chosen.caches
        if name not in optional
    ]
    if not chosen.droplets and not system.droplets:
        found.append(("droplets", f"{system.name} has no Droplets beside its clusters. Take the key out."))
    found += [("contacts", complaint) for complaint in _not_told(chosen, system)]
    if chosen.seed_data and chosen.environment is Environment.PRODUCTION:
        found.append(
            (
                "seedData",
                "test data does not go into production. Nothing was changed. Take the key out, or, where nobody's real "
                f"data is at stake, set {NAMESPACE}:environment to development.",
            )
        )
    if chosen.seed_data and not any((root / "migrations" / system.name).glob("*.seeds")):
        found.append(
            ("seedData", f"{system.name} has no test data. Put SQL into migrations/{system.name}/<database>.seeds/.")
        )
    if chosen.version and chosen.mode is Mode.SELF_HOSTED:
        found.append(("version", "a self-hosted server has the version of the system file. Take the key out."))
    found += [(f"moves.{key}", complaint) for key in chosen.moves for complaint in _no_move(key, chosen, system)]
    found += [(f"logins.{role}", complaint) for role in chosen.logins for complaint in _no_logins(role, system)]
    found += [(f"from.{name}", complaint) for name in chosen.from_ for complaint in _no_origin(name, chosen, system)]
    if chosen.copy_to:
        found += [("copyTo", complaint) for complaint in _no_copy(chosen.copy_to, chosen, system)]
    return found


def _not_told(chosen: StackConfig, system: System) -> list[str]:
    complaints = [
        f"{system.name} tells nobody by the role {role!r}. Known: {', '.join(system.roles)}."
        for role in chosen.contacts
        if role not in system.roles
    ]
    production = chosen.environment is Environment.PRODUCTION
    if production or (chosen.monitoring and chosen.monitoring.smtp):
        for role in system.roles:
            addresses = told(system, chosen, role)
            if not addresses:
                complaints.append(
                    f"nobody has the role {role!r}, so alerts would reach nobody. Name who is on call, for example "
                    f"{NAMESPACE}:contacts: {{{role}: [ada@your-company.com]}}."
                )
            complaints += [
                f"{address}, of the role {role!r}, is a placeholder that reaches nobody. Name somebody who reads it."
                for address in addresses
                if production and _PLACEHOLDER.search(address)
            ]
    return complaints


def _no_move(key: str, chosen: StackConfig, system: System) -> list[str]:
    known = [
        made for file_key, cluster in system.clusters.items() for made, _ in laid_out(file_key, cluster, chosen.layout)
    ]
    return [] if key in known else [f"{system.name} has no such cluster. Known: {', '.join(known)}."]


def _no_logins(role: str, system: System) -> list[str]:
    known = list(dict.fromkeys(user for cluster in system.clusters.values() for user in cluster.users))
    second = second_login(role)
    complaints = []
    if role not in known:
        complaints.append(f"{system.name} has no such user. Known: {', '.join(known)}.")
    if second in known:
        complaints.append(f"its second login would be {second}, and {system.name} has a user of that name.")
    if len(second) > _LONGEST_NAME:
        complaints.append(f"its second login would be {second}, and PostgreSQL's names have {_LONGEST_NAME} bytes.")
    return complaints


def _no_origin(name: str, chosen: StackConfig, system: System) -> list[str]:
    known = [database for cluster in system.clusters.values() for database in cluster.databases]
    complaints = []
    if name not in known:
        complaints.append(f"{system.name} has no such database. Known: {', '.join(known)}.")
    if known.count(name) > 1:
        complaints.append(f"several clusters of {system.name} have a database of this name.")
    if chosen.mode is Mode.SELF_HOSTED:
        complaints.append("a self-hosted cluster does not take over a database from elsewhere. Use the mode managed.")
    return complaints


def _how_many(network: IPv4Network) -> str:
    return f"{network.num_addresses:,} addresses" if network.prefixlen else "the whole internet"


def _no_copy(copy: Copy, chosen: StackConfig, system: System) -> list[str]:
    here, there = chosen.ip_range or system.network.ip_range, copy.ip_range
    complaints = []
    if chosen.mode is Mode.SELF_HOSTED:
        complaints.append("a self-hosted cluster has no replicas, so no copy in another region.")
    if copy.region == (chosen.region or system.region):
        complaints.append(f"{copy.region} is the system's own region. Name another.")
    if IPv4Network(here).overlaps(IPv4Network(there)):
        complaints.append(f"{there} overlaps {here}, the range of the system's VPC.")
    return complaints
