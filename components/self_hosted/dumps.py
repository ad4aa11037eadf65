"""Where the dumps of a self-hosted server are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from trellis.settings.catalogue import NEAREST_SPACES

from ..self_hosted.user_data import Dumps


@dataclass(frozen=True, kw_only=True)
class DumpStoreArgs:
    """region: the system's; the bucket is in the nearest with Spaces. name: the key's; by default the component's.

    hour: UTC, of a dump. keep_days: how long one is kept. protect: refuse to delete the bucket.
    outlive: whether the bucket stays when the stack goes; else the dumps go with it. after: what has to stand first.
    """

    region: pulumi.Input[str]
    name: pulumi.Input[str] | None = None
    hour: str = "02:00"
    keep_days: int = 30
    protect: bool = True
    outlive: bool = True
    after: Sequence[pulumi.Resource] = ()


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
            region=pulumi.Output.from_input(args.region).apply(lambda region: NEAREST_SPACES.get(region, region)),
            acl="private",
            versioning=digitalocean.SpacesBucketVersioningArgs(enabled=True),
            lifecycle_rules=[
                digitalocean.SpacesBucketLifecycleRuleArgs(
                    id="old-dumps",
                    enabled=True,
                    expiration=digitalocean.SpacesBucketLifecycleRuleExpirationArgs(days=args.keep_days),
                    noncurrent_version_expiration=digitalocean.SpacesBucketLifecycleRuleNoncurrentVersionExpirationArgs(
                        days=args.keep_days
                    ),
                    abort_incomplete_multipart_upload_days=1,
                )
            ],
            force_destroy=not args.outlive,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=args.after, protect=args.protect, retain_on_delete=args.outlive
            ),
        )
        key = digitalocean.SpacesKey(
            name,
            name=args.name or name,
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
                hour=args.hour,
            )
        )
        self.register_outputs({"bucket": bucket.name})
