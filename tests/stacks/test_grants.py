"""A role that is made anew gets its grants again, although the migrations that give them have not changed."""

import json
import re

import psycopg
import pytest

from tests.stacks.harness import LocalStack


def test_a_role_and_its_pool_that_somebody_deleted(villa: LocalStack) -> None:
    (cluster,) = villa.api("GET", "/v2/databases")["databases"]
    for path in ("pools/villa-pool", "users/villa_app"):
        villa.api("DELETE", f"/v2/databases/{cluster['id']}/{path}")
    villa.must("refresh", "--yes", "--skip-preview")
    assert re.search(r"~ logins *: \{\s+~ villa_app:", villa.must("preview", "--diff"))
    villa.up()
    _works(villa)


def test_a_role_that_is_replaced(villa: LocalStack) -> None:
    villa.must("up", "--yes", "--skip-preview", "--replace", _urn(villa))
    _works(villa)


def test_a_role_that_is_destroyed_with_all_that_hangs_on_it(villa: LocalStack) -> None:
    villa.must("destroy", "--yes", "--skip-preview", "--target", _urn(villa), "--target-dependents")
    villa.up()
    _works(villa)


def _urn(villa: LocalStack) -> str:
    """The role in the state."""
    resources = json.loads(villa.state())["checkpoint"]["latest"]["resources"]
    (urn,) = (str(made["urn"]) for made in resources if made["urn"].endswith("::villa-db-villa_app"))
    return urn


def _works(villa: LocalStack) -> None:
    with villa.connect(villa.outputs()["pooled_uris"]["villa-db"]["villa-pool"]) as connection:
        connection.execute("SELECT * FROM profiles")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM audit_log")
    villa.must("preview", "--expect-no-changes")
