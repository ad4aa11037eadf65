"""The cloudflare provider: DNS records and the look-up of zones."""

import json
import os
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.providers import schema
from localcloud.providers.cloudflare import VERSION
from localcloud.providers.context import Context
from localcloud.providers.http import HttpClient, checked_endpoint
from localcloud.providers.operations import fill, known
from localcloud.providers.planning import Plan
from localcloud.providers.schema import (
    Function,
    Kind,
    Mode,
    ResourceType,
    State,
    boolean,
    each,
    nested,
    number,
    text,
    texts,
)
from localcloud.providers.servicer import Package
from localcloud.providers.values import encode, halves

DEFAULT_ENDPOINT = "https://api.cloudflare.com/client/v4"
AUTOMATIC_TTL = 1
RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT")
"""Those whose content is one text."""
SETTINGS = {"flattenCname": "flatten_cname", "ipv4Only": "ipv4_only", "ipv6Only": "ipv6_only"}
RECEIVED = (
    "name type content ttl proxied proxiable priority comment createdOn modifiedOn commentModifiedOn tagsModifiedOn"
).split()


def connect(config: Mapping[str, str], stopped: Callable[[], bool]) -> HttpClient:
    """The client for a provider configuration. Raises ValueError where no token is given or the URL is none."""
    token = config.get("apiToken") or os.environ.get("CLOUDFLARE_API_TOKEN")
    if not token:
        raise ValueError("no API token: set cloudflare:apiToken (as a secret) or CLOUDFLARE_API_TOKEN")
    endpoint = config.get("baseUrl") or os.environ.get("CLOUDFLARE_BASE_URL") or DEFAULT_ENDPOINT
    return HttpClient(
        checked_endpoint(endpoint, "cloudflare:baseUrl"),
        token,
        f"trellis-cloudflare/{VERSION}",
        describe=describe,
        stopped=stopped,
    )


def describe(body: Any) -> tuple[str, str]:
    """Cloudflare's messages, each with its code. It gives no request id in the body."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return "; ".join(f"{error.get('message', '')} ({error.get('code', '?')})" for error in errors or []), ""


def _same_name(kept: str, given: str) -> bool:
    """The API gives a record's full name back where a program may give the part before the zone's, or "@"."""
    kept, given = kept.rstrip("."), given.rstrip(".")
    return kept == given or (given == "@" and "." in kept) or kept.startswith(f"{given}.")


def _same_target(kept: str, given: str) -> bool:
    return kept.rstrip(".").lower() == given.rstrip(".").lower()


def _verify(inputs: State) -> dict[str, str]:
    if inputs.get("proxied") is True and inputs.get("ttl") != AUTOMATIC_TTL:
        return {"ttl": f"ttl must be {AUTOMATIC_TTL} where proxied is true: Cloudflare sets it itself"}
    return {}


def _body(plan: Plan) -> dict[str, Any]:
    state = known(plan.state)
    if plan.get("type") == "CNAME":
        state["settings"] = dict.fromkeys(SETTINGS, False) | (state.get("settings") or {})
    return encode(plan.type.properties, state)


def _settle(_context: Context, _plan: Plan, state: State, answer: Mapping[str, Any]) -> None:
    name = state["name"]
    _fill(state, answer)
    state["name"] = name


def _finish(_context: Context, state: State, answer: Mapping[str, Any]) -> None:
    _fill(state, answer)


def _fill(state: State, answer: Mapping[str, Any]) -> None:
    """Takes over what the API says; settings exist for CNAME records only, where absent means false."""
    for name in RECEIVED:
        value = answer.get(RECORD.by_name[name].key)
        if value in (None, ""):
            state.pop(name, None)
        else:
            state[name] = value
    state["tags"] = sorted(answer.get("tags") or [])
    state["meta"] = json.dumps(answer.get("meta") or {}, separators=(",", ":"))
    if state["type"] == "CNAME":
        found = answer.get("settings") or {}
        state["settings"] = {name: bool(found.get(key)) for name, key in SETTINGS.items()}


def _adopt(identity: str) -> State:
    zone, record = halves(identity, "/", "the zone's and the record's id", "ZONE/RECORD")
    return {"id": record, "zoneId": zone}


RECORD = ResourceType(
    token="cloudflare:index/dnsRecord:DnsRecord",  # noqa: S106
    noun="DNS record",
    collection="/zones/{zoneId}/dns_records",
    root="result",
    update_method="PUT",
    adopt=_adopt,
    received=False,
    read_after_create=False,
    properties=(
        text("zoneId", Mode.REQUIRED, replace=True, sent=False),
        text("name", Mode.REQUIRED, same=_same_name),
        text("type", Mode.REQUIRED, replace=True, choices=RECORD_TYPES),
        text("comment"),
        text("content", Mode.OPTIONAL_COMPUTED, same=_same_target),
        number("priority", within=(0, 65535), explicit=True),
        boolean("privateRouting"),
        boolean("includeShadowMetadata", sent=False),
        boolean("proxied", default=False, keep_empty=True),
        number("ttl", Mode.REQUIRED),
        texts("tags", Kind.SET, Mode.OPTIONAL_COMPUTED),
        nested(
            "settings",
            tuple(boolean(name, Mode.OPTIONAL_COMPUTED, wire=key, keep_empty=True) for name, key in SETTINGS.items()),
            Mode.OPTIONAL_COMPUTED,
        ),
        *each(text, "commentModifiedOn createdOn meta modifiedOn", Mode.COMPUTED),
        boolean("proxiable", Mode.COMPUTED),
        text("tagsModifiedOn", Mode.COMPUTED),
    ),
    body=_body,
    verify=_verify,
    settle=_settle,
    finish=_finish,
)


def camel_case(value: Any) -> Any:
    """An API's JSON with Pulumi's names, what is null left out."""
    if isinstance(value, Mapping):
        return {schema.camel_case(key): camel_case(inner) for key, inner in value.items() if inner is not None}
    return [camel_case(inner) for inner in value] if isinstance(value, list) else value


def get_zone(context: Context, arguments: State) -> State:
    """The zone of an id, or the only one a filter finds. Raises LookupError where a filter finds none or several."""
    zone, wanted = arguments.get("zoneId"), arguments.get("filter")
    if wanted:
        query = {name: wanted[name] for name in ("direction", "match", "name", "order", "status") if name in wanted}
        query |= {f"account.{name}": value for name, value in (wanted.get("account") or {}).items()}
        query |= {"type": ",".join(wanted["types"])} if wanted.get("types") else {}
        found = context.api.get(f"/zones?{urllib.parse.urlencode(query)}")["result"]
        if len(found) != 1:
            raise LookupError(f"{len(found)} zones match the filter {query}; exactly one must")
        zone = found[0]["id"]
    if not zone:
        raise ValueError("give zoneId or filter")
    result = camel_case(context.api.get(fill("/zones/{zone}", {"zone": zone}))["result"])
    return {**result, "id": zone, "zoneId": zone, **({"filter": wanted} if wanted else {})}


PACKAGE = Package(
    name="cloudflare",
    version=VERSION,
    connect=connect,
    resources=(RECORD,),
    functions=(Function(token="cloudflare:index/getZone:getZone", call=get_zone),),  # noqa: S106
)
