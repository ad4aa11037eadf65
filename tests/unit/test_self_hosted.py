"""What a self-hosted server is told, without a server."""

import re
import subprocess
from pathlib import Path

import pytest

from components.self_hosted.contents import _sizes
from components.self_hosted.user_data import FILES
from trellis.providers.authority import AuthorityProvider
from trellis.settings.catalogue import DROPLETS

METADATA = "169.254.169.254"


def test_every_size_that_a_plan_decides_may_be_set() -> None:
    allowed = re.search(r'^ALLOWED="(.*)"$', (FILES / "common.sh").read_text(), re.MULTILINE)
    assert allowed
    for droplet in DROPLETS.values():
        sizes = _sizes(droplet.plan(10))
        assert set(sizes) == set(allowed[1].split("|"))
        assert all(re.fullmatch("[0-9]{1,9}(MB)?", size) for size in sizes.values())


def test_a_strict_verifier_takes_what_the_authority_signs(tmp_path: Path) -> None:
    made = AuthorityProvider().create({"name": "shop-db-authority"}).outs or {}
    (tmp_path / "ca.crt").write_text(made["certificate"])
    (tmp_path / "ca.key").write_text(made["key"])
    (tmp_path / "extensions").write_text("keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid:always\n")
    for command in (
        "req -new -newkey rsa:2048 -nodes -keyout server.key -subj /CN=shop -out server.csr",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -extfile extensions",
        "verify -x509_strict -CAfile ca.crt server.crt",
    ):
        done = subprocess.run(["openssl", *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.droplets
def test_the_metadata_address_answers_root_and_the_agent_alone() -> None:
    """In a network of its own, where the address is this very machine's and comes after the rules."""
    script = f"""
        set -e
        try() {{
          for account in 0 65534 999 1000; do
            setpriv --reuid=$account --clear-groups bash -c ': >/dev/udp/{METADATA}/80' 2>/dev/null &&
              echo open || echo closed
          done
        }}
        ip link set lo up
        ip address add {METADATA}/32 dev lo
        ip rule add priority 200 lookup local
        ip rule delete priority 0
        try
        sh {FILES / "metadata.sh"}
        sh {FILES / "metadata.sh"}
        try
    """
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["open"] * 4 + ["open", "open", "closed", "closed"], "")
