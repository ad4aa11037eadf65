"""Calls that make, find, delete and list buckets, and those about who may see them."""

from localcloud.spaces.access import CANNED_ACLS, PUBLIC
from localcloud.spaces.addresses import DEFAULT_REGION, REGIONS, is_bucket_name
from localcloud.spaces.errors import S3Error, not_implemented
from localcloud.spaces.keys import Need
from localcloud.spaces.markup import Node, document, parse
from localcloud.spaces.messages import OWNER, Reply, Request
from localcloud.spaces.store import now

MOST_BUCKETS = 100
"""DigitalOcean's limit for an account."""

_EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def list_buckets(request: Request) -> Reply:
    """The buckets of the account, as far as the key may read them."""
    key = request.caller.key
    if key is None:
        raise S3Error("AccessDenied", "Buckets are listed for signed requests alone.")
    with request.store.transaction() as transaction:
        rows = transaction.index.execute("SELECT name, created, region FROM buckets ORDER BY name").fetchall()
    shown: list[Node] = [
        ("Bucket", [("Name", row["name"]), ("CreationDate", row["created"])])
        for row in rows
        if key.allows(Need.READ, row["name"]) and request.region in ("", row["region"])
    ]
    return Reply(body=document("ListAllMyBucketsResult", [_owner(), ("Buckets", shown)]))


def create_bucket(request: Request) -> Reply:
    name = request.bucket
    if not is_bucket_name(name):
        raise S3Error("InvalidBucketName", f"{name}: a name is 3 to 63 lower-case letters, digits, dots and dashes.")
    region = request.region or _asked_region(request.body) or DEFAULT_REGION
    if region not in REGIONS:
        raise S3Error("InvalidArgument", f"There are no Spaces in {region}; there are in {', '.join(REGIONS)}.")
    acl = canned_acl(request)
    with request.store.transaction() as transaction:
        count, taken = transaction.index.execute("SELECT count(*), sum(name = ?) FROM buckets", (name,)).fetchone()
        if taken:
            raise S3Error("BucketAlreadyExists", f"There is a bucket called {name}. Nothing was changed.")
        if count >= MOST_BUCKETS:
            raise S3Error("TooManyBuckets", f"An account has at most {MOST_BUCKETS} buckets.")
        transaction.index.execute(
            "INSERT INTO buckets (name, region, created, acl) VALUES (?, ?, ?, ?)", (name, region, now(), acl)
        )
    return Reply(headers={"location": f"/{name}"})


def head_bucket(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        return Reply(headers={"x-amz-bucket-region": transaction.bucket(request.bucket).region})


def delete_bucket(request: Request) -> Reply:
    name = request.bucket
    with request.store.transaction() as transaction:
        for table, what in (("versions", "objects, versions of them or delete markers"), ("uploads", "open uploads")):
            query = f"SELECT count(*) FROM {table} WHERE bucket = ?"  # noqa: S608
            (left,) = transaction.index.execute(query, (name,)).fetchone()
            if left:
                raise S3Error("BucketNotEmpty", f"{name} has {left} {what}. Nothing was changed.")
        transaction.index.execute("DELETE FROM buckets WHERE name = ?", (name,))
    return Reply(status=204)


def get_location(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        return Reply(body=document("LocationConstraint", transaction.bucket(request.bucket).region))


def get_acl(request: Request) -> Reply:
    with request.store.transaction() as transaction:
        return Reply(body=show_acl(transaction.bucket(request.bucket).acl))


def put_acl(request: Request) -> Reply:
    acl = canned_acl(request)
    with request.store.transaction() as transaction:
        transaction.configure(request.bucket, "acl", acl)
    return Reply()


def canned_acl(request: Request) -> str:
    """The ACL a request asks for, by its header or its body. Raises NotImplemented for what Spaces cannot say."""
    grants = [name for name in request.headers if name.startswith("x-amz-grant-")]
    if grants:
        raise not_implemented(f"{grants[0]}; use x-amz-acl")
    acl = request.headers.get("x-amz-acl", "")
    if not acl and "acl" in request.query and request.body:
        return _acl_of(request.body)
    acl = acl or "private"
    if acl not in CANNED_ACLS:
        raise not_implemented(f"the ACL {acl}; there are {' and '.join(CANNED_ACLS)}")
    return acl


def show_acl(acl: str) -> bytes:
    """An ACL as an AccessControlPolicy."""
    grants = [_grant("CanonicalUser", ("ID", OWNER), "FULL_CONTROL")]
    if acl == PUBLIC:
        grants.append(_grant("Group", ("URI", _EVERYONE), "READ"))
    # The type of a grantee is an attribute, which nodes do not have.
    body = document("AccessControlPolicy", [_owner(), ("AccessControlList", grants)]).decode()
    for kind in ("CanonicalUser", "Group"):
        body = body.replace(f"<Grantee-{kind}>", f'<Grantee xmlns:xsi="{_XSI}" xsi:type="{kind}">')
        body = body.replace(f"</Grantee-{kind}>", "</Grantee>")
    return body.encode()


def _grant(kind: str, who: Node, permission: str) -> Node:
    return "Grant", [(f"Grantee-{kind}", [who]), ("Permission", permission)]


def _owner() -> Node:
    return "Owner", [("ID", OWNER), ("DisplayName", OWNER)]


def _acl_of(body: bytes) -> str:
    """The canned ACL that an AccessControlPolicy amounts to."""
    acl = "private"
    for grant in parse(body, "AccessControlPolicy").iter("Grant"):
        everyone = grant.findtext("Grantee/URI") == _EVERYONE
        if everyone and grant.findtext("Permission") == "READ":
            acl = PUBLIC
        elif everyone or grant.findtext("Grantee/ID") != OWNER:
            raise not_implemented(f"ACLs beside {' and '.join(CANNED_ACLS)}")
    return acl


def _asked_region(body: bytes) -> str:
    if not body:
        return ""
    asked = parse(body, "CreateBucketConfiguration").findtext("LocationConstraint") or ""
    # What clients send that know AWS alone.
    return "" if asked == "us-east-1" else asked
