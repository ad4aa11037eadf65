"""Buckets in Spaces."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from localcloud.providers.context import Context
from localcloud.providers.digitalocean.database_parts import unique_id
from localcloud.providers.digitalocean.spaces_client import SpacesClient, SpacesError, tree
from localcloud.providers.planning import Plan
from localcloud.providers.schema import Mode, ResourceType, State, boolean, each, integer, nested, objects, text
from localcloud.providers.values import halves
from localcloud.spaces.addresses import REGIONS
from localcloud.spaces.markup import Node, document, flag

DOMAIN = "digitaloceanspaces.com"
"""In names given out, whatever endpoint is set: as the official plugin has it."""

_EXPIRATION = (text("date"), integer("days", within=(0, 2**31)), boolean("expiredObjectDeleteMarker"))
_LIFECYCLE_RULE = (
    text("id", Mode.OPTIONAL_COMPUTED, within=(0, 255)),
    text("prefix"),
    boolean("enabled", Mode.REQUIRED),
    integer("abortIncompleteMultipartUploadDays"),
    nested("expiration", _EXPIRATION, as_planned=True),
    nested("noncurrentVersionExpiration", (integer("days", within=(1, 2**31)),), as_planned=True),
)


def _create(context: Context, plan: Plan) -> tuple[str, dict[str, Any]]:
    client = SpacesClient(context, plan.get("region"))
    name = plan.get("name")
    client.call("PUT", name, headers={"x-amz-acl": plan.get("acl")})
    client.call("HEAD", name)
    return name, {}


def _settle(context: Context, plan: Plan, _state: State, _answer: Mapping[str, Any]) -> None:
    _set_up(context, plan, plan.get("name"))


def _update(context: Context, plan: Plan) -> None:
    """Raises ValueError for a new name: the official plugin notes it down and leaves the bucket as it is."""
    if plan.changed("name"):
        raise ValueError(f"name: a bucket cannot be renamed, and {plan.was('name')} was left as it is; replace it")
    _set_up(context, plan, plan.id)


def _set_up(context: Context, plan: Plan, name: str) -> None:
    """Brings the settings that change to what is planned."""
    client = SpacesClient(context, plan.get("region"))
    if plan.changed("acl"):
        client.call("PUT", name, "acl", headers={"x-amz-acl": plan.get("acl")})
    for setting, (query, root, nodes) in _SETTINGS.items():
        if not plan.changed(setting):
            continue
        wanted = nodes(plan.get(setting))
        if wanted:
            client.call("PUT", name, query, document(root, wanted))
        else:
            client.call("DELETE", name, query)


def _versioning(value: Mapping[str, Any] | None) -> list[Node]:
    return [("Status", "Enabled" if (value or {}).get("enabled") else "Suspended")]


def _lifecycle(rules: Sequence[Mapping[str, Any]]) -> list[Node]:
    return [("Rule", _lifecycle_rule(rule)) for rule in rules]


def _lifecycle_rule(rule: Mapping[str, Any]) -> list[Node]:
    identity = rule.get("id")
    shown: list[Node] = [
        ("Filter", [("Prefix", rule.get("prefix") or "")]),
        ("ID", identity if isinstance(identity, str) and identity else unique_id("tf-s3-lifecycle-")),
        ("Status", "Enabled" if rule.get("enabled") else "Disabled"),
    ]
    if rule.get("abortIncompleteMultipartUploadDays"):
        days = rule["abortIncompleteMultipartUploadDays"]
        shown.append(("AbortIncompleteMultipartUpload", [("DaysAfterInitiation", days)]))
    if rule.get("expiration"):
        shown.append(("Expiration", [_expiration(rule["expiration"])]))
    if (rule.get("noncurrentVersionExpiration") or {}).get("days"):
        days = rule["noncurrentVersionExpiration"]["days"]
        shown.append(("NoncurrentVersionExpiration", [("NoncurrentDays", days)]))
    return shown


def _expiration(value: Mapping[str, Any]) -> Node:
    """The API takes one of the three: the first that is given."""
    if value.get("date"):
        return "Date", f"{value['date']}T00:00:00Z"
    if value.get("days"):
        return "Days", value["days"]
    return "ExpiredObjectDeleteMarker", flag(bool(value.get("expiredObjectDeleteMarker")))


_SETTINGS: Mapping[str, tuple[str, str, Any]] = {
    "versioning": ("versioning", "VersioningConfiguration", _versioning),
    "lifecycleRules": ("lifecycle", "LifecycleConfiguration", _lifecycle),
}
"""The settings of a bucket in the order they are sent: query, document, and its elements from the planned value."""


def _read(context: Context, state: State) -> dict[str, Any]:
    client = SpacesClient(context, state.get("region") or "nyc3")
    name = state["id"]
    client.call("HEAD", name)
    region = tree(client.call("GET", name, "location")).text or "nyc3"
    versioning = tree(client.call("GET", name, "versioning")).findtext("Status")
    try:
        rules = tree(client.call("GET", name, "lifecycle")).findall("Rule")
    except SpacesError as error:
        if error.code != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    return {
        "name": state.get("name") or name,
        "region": region,
        "versioning": {"enabled": versioning == "Enabled"},
        "lifecycle_rules": [_read_rule(rule) for rule in rules],
        "bucket_domain_name": f"{name}.{region}.{DOMAIN}",
        "endpoint": f"{region}.{DOMAIN}",
        "bucket_urn": f"do:space:{name}",
    }


_EXPIRATION_PARTS: Sequence[tuple[str, str, Any]] = (
    ("Date", "date", lambda text: text[:10]),
    ("Days", "days", int),
    ("ExpiredObjectDeleteMarker", "expired_object_delete_marker", lambda text: text == "true"),
)


def _read_rule(rule: Element) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": rule.findtext("ID", ""),
        "prefix": rule.findtext("Filter/And/Prefix") or rule.findtext("Filter/Prefix") or "",
        "enabled": rule.findtext("Status") == "Enabled",
        "abort_incomplete_multipart_upload_days": int(
            rule.findtext("AbortIncompleteMultipartUpload/DaysAfterInitiation", "0")
        ),
    }
    expiration = rule.find("Expiration")
    if expiration is not None:
        found["expiration"] = {}
        for tag, key, convert in _EXPIRATION_PARTS:
            if expiration.find(tag) is not None:
                found["expiration"][key] = convert(expiration.findtext(tag, ""))
    noncurrent = rule.find("NoncurrentVersionExpiration")
    if noncurrent is not None:
        found["noncurrent_version_expiration"] = {"days": int(noncurrent.findtext("NoncurrentDays", "0"))}
    return found


def _delete(context: Context, state: State) -> None:
    client = SpacesClient(context, state.get("region") or "nyc3")
    while True:
        try:
            client.call("DELETE", state["id"])
        except SpacesError as error:
            if error.code != "BucketNotEmpty" or not state.get("forceDestroy"):
                raise
            _empty(client, state["id"])
        else:
            return


def _empty(client: SpacesClient, bucket: str) -> None:
    """Deletes a page of what is in a bucket, every version of it. Raises SpacesError for what must stay."""
    page = tree(client.call("GET", bucket, "versions"))
    found = [*page.findall("DeleteMarker"), *page.findall("Version")]
    items: list[Node] = [
        ("Object", [("Key", item.findtext("Key", "")), ("VersionId", item.findtext("VersionId", ""))]) for item in found
    ]
    refused = tree(client.call("POST", bucket, "delete", document("Delete", items))).find("Error")
    if refused is not None:
        code, message = refused.findtext("Code", ""), refused.findtext("Message", "")
        raise SpacesError("POST", f"{bucket}/{refused.findtext('Key')}", 409, code, message)


def region_known(inputs: State) -> dict[str, str]:
    """What is wrong with the region, if anything is."""
    region = inputs.get("region")
    if isinstance(region, str) and region.lower() not in REGIONS:
        return {"region": f"region: there are no Spaces in {region!r}; there are in {', '.join(REGIONS)}"}
    return {}


def adopt(identity: str) -> State:
    """What to read for an id given to import. Raises ValueError."""
    region, name = halves(identity, ",", "the region and the name", "nyc3,NAME")
    return {"id": name, "region": region, "forceDestroy": False}


BUCKET = ResourceType(
    token="digitalocean:index/spacesBucket:SpacesBucket",  # noqa: S106
    noun="bucket",
    adopt=adopt,
    properties=(
        text("name", Mode.REQUIRED, autonamed=True),
        text("region", replace=True, normalise=str.lower, default="nyc3"),
        text("acl", default="private", received=False),
        boolean("forceDestroy", default=False, received=False),
        nested("versioning", (boolean("enabled", default=False),)),
        objects("lifecycleRules", _LIFECYCLE_RULE),
        *each(text, "bucketDomainName endpoint bucketUrn", Mode.COMPUTED),
    ),
    verify=region_known,
    create=_create,
    settle=_settle,
    read=_read,
    update=_update,
    delete=_delete,
)
