"""/v2/droplets: machines."""

import re

from localcloud import machines
from localcloud.api.call import NO_CONTENT, Body, Call, Reply, Routes
from localcloud.api.collection import Collection
from localcloud.api.compute import actions, keys
from localcloud.api.compute.catalogue import show_droplet
from localcloud.api.databases import checks
from localcloud.api.errors import NotFound, NotImplementedHere, Unprocessable
from localcloud.catalogue import REGIONS
from localcloud.compute import Droplet, Volume
from localcloud.droplet_catalogue import IMAGES, MAX_USER_DATA, MAX_VOLUMES, SIZES, Size
from localcloud.records import now
from localcloud.state import Tables

_NAME = re.compile(r"^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,253}[a-zA-Z0-9])?$")
_NOT_HERE = ("backups", "ipv6", "backup_policy", "gpu_partition_mode", "names")
"""Fields of DigitalOcean's that ask for what machines on one computer do not have."""


class _VolumeId(Body):
    """How DigitalOcean's Go client names a volume; the API's document has the bare id."""

    id: str


class _Create(Body):
    name: str
    size: str
    image: str | int
    region: str | None = None
    ssh_keys: list[str | int] | None = None
    user_data: str | None = None
    volumes: list[str | _VolumeId] | None = None
    vpc_uuid: str | None = None
    tags: list[str] | None = None
    monitoring: bool = False
    public_networking: bool = True


def size(slug: str) -> Size:
    """Raises Unprocessable."""
    try:
        return SIZES[slug.lower()]
    except KeyError:
        raise Unprocessable(f"size {slug}: there is no such size. Allowed: {', '.join(SIZES)}.") from None


def name(asked: str) -> str:
    """Raises Unprocessable."""
    if not _NAME.match(asked):
        raise Unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    return asked


def _create(call: Call) -> Reply:
    for field in _NOT_HERE:
        if call.json().get(field):
            raise NotImplementedHere(f"POST /v2/droplets with {field}")
    body = call.read(_Create)
    droplets = call.cloud.droplets
    image = _image(body.image)
    try:
        droplets.require(image)
    except machines.HostUnfit as problem:
        raise NotImplementedHere(f"this Droplet: {str(problem).removesuffix('.')}") from problem
    if len((body.user_data or "").encode()) > MAX_USER_DATA:
        raise Unprocessable(f"user_data: more than {MAX_USER_DATA} bytes.")
    with call.cloud.state.transaction() as tables:
        region, network = _place(tables, body)
        public, private = machines.choose(
            [address for other in tables.droplets.values() for address in other.addresses]
        )
        plan = size(body.size)
        checks.offered(tables, plan.slug, region)
        droplet = Droplet(
            id=actions.new_number(dict(tables.droplets)),
            name=name(body.name),
            region=region,
            size=plan.slug,
            disk_gib=plan.disk,
            image=image,
            vpc_uuid=network,
            public_address=public if body.public_networking else "",
            private_address=private,
            features=(*(("monitoring",) if body.monitoring else ()), "droplet_agent", "private_networking"),
            tags=checks.tags(body.tags),
            created_at=now(),
        )
        for volume in _volumes(tables, body, region):
            tables.volumes[volume.id] = volume.model_copy(update={"droplet_id": droplet.id})
        droplets.create(_machine(tables, droplet, body))
        tables.droplets[str(droplet.id)] = droplet
        action = actions.record(tables, droplet, "create")
        shown = show_droplet(call, droplet)
    if call.fault != "stuck":
        droplets.settle(droplet.id)
    call.cloud.follow_droplets()
    link = {"id": action.id, "rel": "create", "href": f"{call.base_url}/v2/actions/{action.id}"}
    return Reply(status=202, body={"droplet": shown, "links": {"actions": [link]}})


def _delete(call: Call) -> Reply:
    with call.cloud.state.transaction() as tables:
        droplet = DROPLETS.here(call, tables)
        tables.droplets[str(droplet.id)] = droplet.model_copy(update={"deleting": True})
    call.cloud.droplets.destroy(droplet)
    call.cloud.follow_droplets()
    return NO_CONTENT


def _console(call: Call) -> Reply:
    droplet = DROPLETS.here(call, call.cloud.state.read())
    return Reply(body={"console": call.cloud.droplets.machine(droplet.id).console(), "failure": droplet.failure})


def _image(asked: str | int) -> str:
    for image in IMAGES.values():
        if asked in (image.slug, image.id):
            return image.slug
    raise NotImplementedHere(f"the image {asked}; it has {', '.join(IMAGES)}")


def _place(tables: Tables, body: _Create) -> tuple[str, str]:
    """Region and VPC: one can be told from the other, and without both the cloud chooses."""
    if not body.region and body.vpc_uuid in tables.vpcs:
        return tables.vpcs[body.vpc_uuid].region, body.vpc_uuid
    region = checks.region(body.region or next(iter(REGIONS)))
    return region, checks.network(tables, body.vpc_uuid or "", region, field="vpc_uuid").id


def _volumes(tables: Tables, body: _Create, region: str) -> list[Volume]:
    ids = [item if isinstance(item, str) else item.id for item in body.volumes or ()]
    if len(ids) > MAX_VOLUMES:
        raise Unprocessable(f"volumes: {len(ids)} given. Allowed: {MAX_VOLUMES}.")
    for id in ids:
        if id not in tables.volumes:
            raise Unprocessable(f"volumes: there is no volume with the id {id}.")
    found = [tables.volumes[id] for id in dict.fromkeys(ids)]
    for volume in found:
        check_attachable(volume, region)
    return found


def check_attachable(volume: Volume, region: str) -> None:
    """Raises Unprocessable unless a Droplet in `region` could get this volume now."""
    if volume.region != region:
        raise Unprocessable(f"The volume {volume.name} is in {volume.region}, the Droplet in {region}.")
    if volume.droplet_id is not None:
        raise Unprocessable(f"The volume {volume.name} is already attached to the Droplet {volume.droplet_id}.")


def _machine(tables: Tables, droplet: Droplet, body: _Create) -> machines.MachineSpec:
    try:
        public_keys = tuple(keys.KEYS.find(tables, str(key)).public_key for key in body.ssh_keys or ())
    except NotFound as problem:
        raise Unprocessable(f"ssh_keys: {problem.message}") from problem
    known = droplet.model_dump(include={"id", "name", "image", "region", "public_address", "private_address", "tags"})
    return machines.MachineSpec(**known, user_data=body.user_data or "", public_keys=public_keys)


DROPLETS = Collection[Droplet](
    path="/v2/droplets",
    table=lambda tables: tables.droplets,
    root="droplet",
    noun="Droplet",
    show=show_droplet,
    filters={"name": lambda droplet: (droplet.name,), "tag_name": lambda droplet: droplet.tags},
)

ENDPOINTS: Routes = {
    **DROPLETS.routes(_create, DELETE=_delete),
    # No Droplet's id.
    "/v2/droplets/autoscale": {},
    "/_local/droplets/{id}/console": {"GET": _console},
}
