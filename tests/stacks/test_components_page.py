"""The program of docs/components.md, run as printed."""

import re

import psycopg

from tests.stacks.harness import local_stack, program_copy
from tools import ROOT
from trellis.development.bring import Parts

PROFILE = "INSERT INTO profiles (address, nickname, nickname_normalized) VALUES ('0x1', 'a', 'a') RETURNING nickname"


def test_the_components_make_a_program(parts: Parts) -> None:
    found = re.search(r"^```python\n(.*?)^```", (ROOT / "docs" / "components.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    with program_copy() as program:
        (program / "__main__.py").write_text(found.group(1))
        with local_stack(parts, root=program) as stack:
            stack.up()
            stack.must("preview", "--expect-no-changes")
            outputs = stack.outputs()
            authority = program / "ca.crt"
            authority.write_text(outputs["ca_certificate"])
            with psycopg.connect(outputs["pool_uri"], sslrootcert=str(authority), prepare_threshold=None) as connection:
                assert connection.execute(PROFILE).fetchone() == ("a",)
            (app,) = stack.api("GET", "/v2/apps")["apps"]
            (service,) = app["spec"]["services"]
            values = {variable["key"]: variable["value"] for variable in service["envs"]}
            assert "/shop-pool?sslmode=verify-full" in values["DATABASE_URL"]
            stack.must("destroy", "--yes", "--skip-preview")
            assert not stack.api("GET", "/v2/databases").get("databases")
