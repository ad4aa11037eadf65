"""Where the dumps of a self-hosted server are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings.catalogue import NEAREST_SPACES
from trellis.settings.cluster import Dump

from ..self_hosted.user_data import Dumps


@dataclass(frozen=True, kw_only=True)
class DumpStoreArgs:
    """name: the key's. region: the system's; the bucket is in the nearest with Spaces. protect: refuse to delete it.

    after: what has to stand first.
    """

    name: str
    region: str
    dump: Dump
    protect: bool
    after: Sequence[pulumi.Resource]


class DumpStore(pulumi.ComponentResource):
    """Creates a private, versioned bucket in Spaces that forgets old dumps, and a key that reaches this bucket only.

    Versions save a dump that is overwritten by mistake. They do not save it from who has the key.
    """

    access: pulumi.Output[Dumps]

    def __init__(self, name: str, args: DumpStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trellis:server:DumpStore", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self, depends_on=args.after)
        bucket = digitalocean.SpacesBucket(
            name,
            region=NEAREST_SPACES.get(args.region, args.region),
            acl="private",
            versioning=digitalocean.SpacesBucketVersioningArgs(enabled=True),
            lifecycle_rules=[
                digitalocean.SpacesBucketLifecycleRuleArgs(
                    id="old-dumps",
                    enabled=True,
                    expiration=digitalocean.SpacesBucketLifecycleRuleExpirationArgs(days=args.dump.keep_days),
                    noncurrent_version_expiration=digitalocean.SpacesBucketLifecycleRuleNoncurrentVersionExpirationArgs(
                        days=args.dump.keep_days
                    ),
                    abort_incomplete_multipart_upload_days=1,
                )
            ],
            # A stack whose data is not protected may go with its dumps.
            force_destroy=not args.protect,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.after, protect=args.protect),
        )
        key = digitalocean.SpacesKey(
            name,
            name=args.name,
            grants=[digitalocean.SpacesKeyGrantArgs(bucket=bucket.name, permission="readwrite")],
            opts=inside,
        )
        # An API of one's own, such as the local cloud's, answers for Spaces too.
        own = pulumi.Config("digitalocean").get("apiEndpoint")
        self.access = pulumi.Output.all(bucket.name, bucket.endpoint, key.access_key, key.secret_key).apply(
            lambda parts: Dumps(
                bucket=parts[0],
                endpoint=own or f"https://{parts[1]}",
                access_key=parts[2],
                secret_key=parts[3],
                hour=args.dump.hour,
            )
        )
        self.register_outputs({"bucket": bucket.name})
