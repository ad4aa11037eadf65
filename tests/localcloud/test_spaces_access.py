"""Who may do what in Spaces: signatures, keys and their grants, ACLs, policies, CORS."""

import hmac
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
from zlib import crc32

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localcloud.spaces.keys import FIRST_KEY
from tests.localcloud.cloud import LocalCloud
from tests.localcloud.spaces import client, content, fill, refused

_OPENER = build_opener(ProxyHandler({}))


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    return client(cloud)


def bucket(s3: Any, name: str) -> str:
    s3.create_bucket(Bucket=name)
    fill(s3, name, "k")
    return name


def key(cloud: LocalCloud, *grants: tuple[str, str]) -> dict[str, Any]:
    body = {"name": "k", "grants": [{"bucket": name, "permission": permission} for name, permission in grants]}
    made: dict[str, Any] = cloud.post("/v2/spaces/keys", body)["key"]
    return made


def limited(cloud: LocalCloud, *grants: tuple[str, str]) -> Any:
    made = key(cloud, *grants)
    return client(cloud, made["access_key"], made["secret_key"])


def send(method: str, url: str, body: bytes | None = None, /, **headers: Any) -> tuple[int, bytes, dict[str, str]]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with _OPENER.open(Request(url, data=body, headers=names, method=method)) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_a_wrong_secret_and_an_unknown_key(cloud: LocalCloud) -> None:
    with refused("SignatureDoesNotMatch", 403):
        client(cloud, FIRST_KEY, "wrong").list_buckets()
    with refused("InvalidAccessKeyId", 403):
        client(cloud, "DO00NOBODY", cloud.token).list_buckets()


def test_a_changed_request_is_refused(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "changed")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    assert send("GET", link)[:2] == (200, b"k")
    status, told, _ = send("GET", link.replace("/k?", "/other?"))
    assert (status, b"SignatureDoesNotMatch" in told) == (403, True)
    assert send("PUT", link, b"x")[0] == 403


def signed(
    cloud: LocalCloud, method: str, url: str, headers: dict[str, str], at: datetime | None = None
) -> dict[str, str]:
    """Headers with botocore's signature, as of another time if asked for."""
    request = AWSRequest(method=method, url=url, headers=headers)
    signer = SigV4Auth(Credentials(FIRST_KEY, cloud.token), "s3", "us-east-1")
    signer.add_auth(request)
    if at is not None:
        request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        for name in ("Authorization", "X-Amz-Date"):
            del request.headers[name]
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
    return dict(request.headers)


def test_an_old_signature_is_refused(cloud: LocalCloud) -> None:
    empty = sha256(b"").hexdigest()
    url = cloud.url + "/"
    now = datetime.now(UTC)
    for age, status in ((timedelta(minutes=5), 200), (timedelta(minutes=20), 403), (timedelta(minutes=-20), 403)):
        headers = signed(cloud, "GET", url, {"x-amz-content-sha256": empty}, now - age)
        found, told, _ = send("GET", url, **headers)
        assert (found, b"RequestTimeTooSkewed" in told) == (status, status == 403)


def test_a_body_must_be_what_was_signed(cloud: LocalCloud, s3: Any) -> None:
    url = f"{cloud.url}/{bucket(s3, 'bodies')}/b"
    headers = signed(cloud, "PUT", url, {"x-amz-content-sha256": sha256(b"signed").hexdigest()})
    status, told, _ = send("PUT", url, b"forged", **headers)
    assert (status, b"XAmzContentSHA256Mismatch" in told) == (400, True)
    headers = signed(cloud, "PUT", url, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "content-md5": "AAAA"})
    status, told, _ = send("PUT", url, b"any", **headers)
    assert (status, b"BadDigest" in told) == (400, True)
    headers = signed(cloud, "PUT", url, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert send("PUT", url, b"any", **headers)[0] == 200
    assert content(s3, "bodies", "b") == b"any"
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="bodies")["Contents"]] == ["b", "k"]


def chunked(cloud: LocalCloud, headers: dict[str, str], *pieces: bytes, forged: bool = False) -> bytes:
    """A body in signed chunks, the signatures made here and not by the code under test."""
    scope = "/".join(headers["Authorization"].split("Credential=")[1].split(",")[0].split("/")[1:])
    secret = b"AWS4" + cloud.token.encode()
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    last = headers["Authorization"].split("Signature=")[1]
    body = b""
    for piece in (*pieces, b""):
        lines = ("AWS4-HMAC-SHA256-PAYLOAD", headers["X-Amz-Date"], scope, last)
        text = "\n".join((*lines, sha256(b"").hexdigest(), sha256(piece).hexdigest()))
        last = hmac.digest(secret, text.encode(), "sha256").hex()
        sent = piece[::-1] if forged else piece
        body += f"{len(piece):x};chunk-signature={last}\r\n".encode() + sent + b"\r\n"
    return body


def test_signed_chunks(cloud: LocalCloud, s3: Any) -> None:
    url = f"{cloud.url}/{bucket(s3, 'chunks')}/c"
    pieces = (b"0123" * 20_000, b"rest")
    given = {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-decoded-content-length": str(sum(map(len, pieces))),
        "content-encoding": "aws-chunked",
    }
    headers = signed(cloud, "PUT", url, given)
    status, told, _ = send("PUT", url, chunked(cloud, headers, *pieces, forged=True), **headers)
    assert (status, b"SignatureDoesNotMatch" in told) == (403, True)
    status, told, _ = send("PUT", url, chunked(cloud, headers, *pieces)[:-100], **headers)
    assert (status, b"IncompleteBody" in told) == (400, True)
    with refused("404", 404):
        s3.head_object(Bucket="chunks", Key="c")
    assert send("PUT", url, chunked(cloud, headers, *pieces), **headers)[0] == 200
    assert content(s3, "chunks", "c") == b"".join(pieces)
    assert "ContentEncoding" not in s3.head_object(Bucket="chunks", Key="c")


@pytest.mark.parametrize(("flaw", "status"), [(0, 200), (1, 400)])
def test_unsigned_chunks_with_a_checksum_behind(cloud: LocalCloud, s3: Any, flaw: int, status: int) -> None:
    url = f"{cloud.url}/{bucket(s3, f'trailer-{flaw}')}/c"
    headers = signed(
        cloud,
        "PUT",
        url,
        {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": "5",
            "x-amz-trailer": "x-amz-checksum-crc32",
        },
    )
    checksum = b64encode((crc32(b"hello") ^ flaw).to_bytes(4, "big"))
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + checksum + b"\r\n\r\n"
    assert send("PUT", url, body, **headers)[0] == status


def test_a_link_expires(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "links")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    assert send("GET", link + "&X-Amz-Expires=9")[0] == 403
    brief = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=1)
    time.sleep(2.1)
    status, told, _ = send("GET", brief)
    assert (status, b"Request has expired" in told) == (403, True)
    upload = s3.generate_presigned_url("put_object", Params={"Bucket": name, "Key": "new"}, ExpiresIn=60)
    assert send("PUT", upload, b"by link")[0] == 200
    assert content(s3, name, "new") == b"by link"
    entry = next(item for item in cloud.journal() if item["path"] == f"/{name}/new" and item["method"] == "PUT")
    assert "X-Amz-Signature=masked:" in entry["query"]


def test_a_key_is_held_to_its_grants(cloud: LocalCloud, s3: Any) -> None:
    mine, other = bucket(s3, "mine"), bucket(s3, "other")
    reader, writer = limited(cloud, (mine, "read")), limited(cloud, (mine, "readwrite"))
    assert content(reader, mine, "k") == b"k"
    assert reader.list_objects_v2(Bucket=mine)["KeyCount"] == 1
    assert [item["Name"] for item in reader.list_buckets()["Buckets"]] == [mine]
    with refused("AccessDenied", 403):
        reader.put_object(Bucket=mine, Key="k", Body=b"")
    with refused("AccessDenied", 403):
        reader.delete_object(Bucket=mine, Key="k")
    fill(writer, mine, "w")
    writer.delete_object(Bucket=mine, Key="w")
    for keyed in (reader, writer):
        with refused("AccessDenied", 403):
            keyed.get_object(Bucket=other, Key="k")
        with refused("AccessDenied", 403):
            keyed.create_bucket(Bucket="third")
        with refused("AccessDenied", 403):
            keyed.put_bucket_versioning(Bucket=mine, VersioningConfiguration={"Status": "Enabled"})
    with refused("AccessDenied", 403):
        writer.copy_object(Bucket=mine, Key="stolen", CopySource=f"{other}/k")
    with refused("AccessDenied", 403):
        writer.delete_bucket(Bucket=mine)


def test_life_of_a_key(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "keyed")
    made = key(cloud, (name, "read"))
    path = f"/v2/spaces/keys/{made['access_key']}"
    assert made["secret_key"] not in json.dumps([cloud.get(path), cloud.get("/v2/spaces/keys"), cloud.journal()])
    held = client(cloud, made["access_key"], made["secret_key"])
    grants = [{"bucket": name, "permission": "readwrite"}]
    changed = cloud.call("PATCH", path, {"grants": grants}).body["key"]
    assert (changed["grants"], changed["name"]) == (grants, "k")
    fill(held, name, "w")
    cloud.delete(path)
    with refused("InvalidAccessKeyId", 403):
        content(held, name, "w")
    assert cloud.call("GET", path).status == 404


@pytest.mark.parametrize(
    "grants",
    [
        [{"bucket": "b", "permission": "fullaccess"}],
        [{"bucket": "", "permission": "read"}],
        [{"bucket": "b", "permission": "write"}],
        [{"bucket": "", "permission": "fullaccess"}, {"bucket": "b", "permission": "read"}],
    ],
)
def test_grants_that_cannot_be(cloud: LocalCloud, grants: list[dict[str, str]]) -> None:
    answer = cloud.call("POST", "/v2/spaces/keys", {"name": "k", "grants": grants})
    assert (answer.status, answer.message.split(":")[0]) == (422, "grants")


def test_a_limited_key_stays_limited(cloud: LocalCloud, s3: Any) -> None:
    made = key(cloud, (bucket(s3, "stays"), "read"))
    everything = {"grants": [{"bucket": "", "permission": "fullaccess"}]}
    assert cloud.call("PATCH", f"/v2/spaces/keys/{made['access_key']}", everything).status == 422


def test_what_is_public(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "public")
    nobody = client(cloud, None)
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=name, Key="k")
    s3.put_object_acl(Bucket=name, Key="k", ACL="public-read")
    assert content(nobody, name, "k") == b"k"
    assert send("GET", f"{cloud.url}/{name}/k")[:2] == (200, b"k")
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=name)
    s3.put_bucket_acl(Bucket=name, ACL="public-read")
    assert nobody.list_objects_v2(Bucket=name)["KeyCount"] == 1
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 2
    with refused("AccessDenied", 403):
        nobody.put_object(Bucket=name, Key="k", Body=b"")
    s3.put_bucket_acl(Bucket=name, ACL="private")
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=name)


def test_a_list_that_is_asked_for_encoded_keys_encodes_slashes_too(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "encoded")
    fill(s3, name, "arch/ru b")
    asked = {"Bucket": name, "EncodingType": "url", "Prefix": "arch/"}
    _, told, _ = send("GET", s3.generate_presigned_url("list_objects_v2", Params=asked))
    assert (b"<Key>arch%2Fru%20b</Key>" in told, b"<Prefix>arch%2F</Prefix>" in told) == (True, True), told
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=name, Prefix="arch/")["Contents"]] == ["arch/ru b"]


def policy(name: str, effect: str, action: str, path: str = "/*") -> str:
    statement = {"Effect": effect, "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{name}{path}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_opens_and_closes(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "policed")
    fill(s3, name, "open/o")
    nobody = client(cloud, None)
    s3.put_bucket_policy(Bucket=name, Policy=policy(name, "Allow", "s3:GetObject", "/open/*"))
    assert content(nobody, name, "open/o") == b"open/o"
    with refused("AccessDenied", 403):
        content(nobody, name, "k")
    s3.put_bucket_policy(Bucket=name, Policy=policy(name, "Deny", "s3:Delete*"))
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=name, Key="k")
    told = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k"}]})
    assert [item["Code"] for item in told["Errors"]] == ["AccessDenied"]
    limiting = {"name": "k", "grants": [{"bucket": name, "permission": "read"}]}
    assert cloud.call("POST", "/v2/spaces/keys", limiting).status == 422
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
    assert content(nobody, name, "k") == b"k"
    s3.delete_bucket_policy(Bucket=name)
    s3.delete_object(Bucket=name, Key="k")


def test_a_policy_that_cannot_be(cloud: LocalCloud, s3: Any) -> None:
    with refused("NoSuchKey", 404):
        s3.put_bucket_policy(Bucket="unknown-bucket", Policy=policy("unknown-bucket", "Allow", "s3:GetObject"))
    name = bucket(s3, "impossible")
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=name, Policy="{}")
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=name, Policy=policy("another", "Allow", "s3:GetObject"))
    conditional = json.loads(policy(name, "Allow", "s3:GetObject"))
    conditional["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    with refused("NotImplemented", 501):
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(conditional))
    key(cloud, (name, "read"))
    with refused("InvalidRequest", 400):
        s3.put_bucket_policy(Bucket=name, Policy=policy(name, "Allow", "s3:GetObject"))


def test_web_pages_need_a_cors_rule(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "cors")
    url = f"{cloud.url}/{name}/k"
    asked = {"Origin": "https://app.villa.test", "Access_Control_Request_Method": "GET"}
    assert send("OPTIONS", url, **asked)[0] == 403
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.villa.test"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    status, _, headers = send("OPTIONS", url, **asked)
    assert (status, headers["access-control-allow-origin"]) == (200, "https://app.villa.test")
    assert send("OPTIONS", url, **{**asked, "Origin": "https://evil.test"})[0] == 403
    assert send("OPTIONS", url, **{**asked, "Access_Control_Request_Method": "PUT"})[0] == 403
    s3.put_object_acl(Bucket=name, Key="k", ACL="public-read")
    assert "access-control-allow-origin" in send("GET", url, Origin="https://app.villa.test")[2]
    assert send("GET", url)[0] == 200
    status, told, _ = send("GET", url, Origin="https://evil.test")
    assert (status, b"AccessDenied" in told) == (403, True), "a foreign page in the user's browser reaches loopback too"
    everything = signed(cloud, "GET", f"{cloud.url}/", {"Origin": "https://app.villa.test"})
    assert send("GET", f"{cloud.url}/", **everything)[0] == 403
    assert send("GET", url, Host="evil.example")[0] == 403


def test_faults_reach_spaces(cloud: LocalCloud, s3: Any) -> None:
    name = bucket(s3, "faulty")
    with fault(cloud, name, "429"), refused("SlowDown", 503):
        s3.put_object(Bucket=name, Key="f", Body=b"")
    with fault(cloud, name, "500"), refused("InternalError", 500):
        s3.put_object(Bucket=name, Key="f", Body=b"")
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
    with fault(cloud, name, "lost-response"), pytest.raises(Exception, match="Connection was closed"):
        s3.put_object(Bucket=name, Key="f", Body=b"")
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 2


@contextmanager
def fault(cloud: LocalCloud, name: str, kind: str) -> Iterator[None]:
    cloud.post("/_local/faults", {"path": f"^/{name}/", "method": "PUT", "fault": kind})
    yield
    cloud.delete("/_local/faults")
