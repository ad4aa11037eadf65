"""Environments, builds, deployments and quotas."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.capsule.product import ADMIN, SUPERUSER, Service

SERVICE = "deploy"
PROJECT, OTHER, STAGING, ELSEWHERE, REGISTRY, BUILD, FIRST, SECOND = (
    f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 9)
)
DIGEST = "sha256:" + "0" * 64
QUEUE_BUILD = (
    "INSERT INTO builds (id, project_id, registry_id, commit_sha, image_repository)"
    f" VALUES ('{BUILD}', '{PROJECT}', '{REGISTRY}', '{'a' * 40}', 'capsule/api')"
)
ALLOCATE = (
    "INSERT INTO resource_allocations (environment_id, project_id, resource, quantity) VALUES ('{}', '{}', '{}', {})"
)


@pytest.fixture
def deploy(in_one_transaction: Service) -> Service:
    """A project with an environment, a registry and a queued build, all gone afterwards."""
    start_project(in_one_transaction)
    return in_one_transaction


def start_project(deploy: Service) -> None:
    """A project with an environment, a registry, a queued build and a quota; another with an environment."""
    for statement in (
        "INSERT INTO environments (id, project_id, name, kind)"
        f" VALUES ('{STAGING}', '{PROJECT}', 'staging', 'staging'), ('{ELSEWHERE}', '{OTHER}', 'staging', 'staging')",
        f"INSERT INTO container_registries (id, project_id, name, host)"
        f" VALUES ('{REGISTRY}', '{PROJECT}', 'main', 'registry.example.org:5000')",
        QUEUE_BUILD,
        f"INSERT INTO resource_quotas (project_id, resource, allowed) VALUES ('{PROJECT}', 'memory_mib', 1024)",
    ):
        deploy.run(statement)


def become(deploy: Service, table: str, row: str, *statuses: str) -> None:
    """Takes a build or deployment through statuses."""
    for status in statuses:
        digest = f", image_digest = '{DIGEST}'" if status == "succeeded" else ""
        deploy.run(f"UPDATE {table} SET status = %s{digest} WHERE id = %s", status, row)


def queue(deploy: Service, row: str, environment: str = STAGING) -> None:
    """Queues a deployment of the build."""
    deploy.run("INSERT INTO deployments (id, environment_id, build_id) VALUES (%s, %s, %s)", row, environment, BUILD)


def test_every_status_goes_the_ways_of_its_table_and_no_other(deploy: Service) -> None:
    become(deploy, "builds", BUILD, "running", "succeeded")
    queue(deploy, FIRST)
    deploy.admin("ALTER TABLE builds DROP CONSTRAINT builds_success_has_image")
    statuses = {
        "builds": ("queued", "running", "succeeded", "failed", "cancelled"),
        "deployments": ("queued", "deploying", "live", "failed", "cancelled", "superseded", "rolled_back"),
    }
    allowed = set(deploy.run("SELECT table_name, from_status, to_status FROM status_transitions"))
    assert allowed <= {(table, a, b) for table, names in statuses.items() for a in names for b in names if a != b}
    for table, names in statuses.items():
        for before in names:
            deploy.admin(f"ALTER TABLE {table} DISABLE TRIGGER a_check_status")
            deploy.admin(f"UPDATE {table} SET status = '{before}'")
            deploy.admin(f"ALTER TABLE {table} ENABLE TRIGGER a_check_status")
            for after in names:
                change = f"UPDATE {table} SET status = '{after}'"
                if before == after or (table, before, after) in allowed:
                    with deploy.session(deploy.user) as connection, connection.transaction(force_rollback=True):
                        connection.execute(change.encode())
                else:
                    deploy.refused(psycopg.errors.CheckViolation, change)


def test_the_refusal_says_what_is_possible(deploy: Service) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        become(deploy, "builds", BUILD, "succeeded")
    assert refused.value.diag.message_primary == f"builds {BUILD} is queued and cannot become succeeded"
    assert refused.value.diag.message_hint == "It can become cancelled, running."
    become(deploy, "builds", BUILD, "cancelled")
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        become(deploy, "builds", BUILD, "queued")
    assert refused.value.diag.message_hint == "That status is final."


def test_everything_begins_queued(deploy: Service) -> None:
    columns, values = QUEUE_BUILD.removeprefix("INSERT INTO builds (id, ").split(") VALUES ")
    deploy.refused(
        psycopg.errors.CheckViolation,
        f"INSERT INTO builds (status, {columns}) VALUES ('running', {values.split(', ', 1)[1]}",
    )


def test_times_and_history_follow_the_status(deploy: Service) -> None:
    become(deploy, "builds", BUILD, "running")
    assert deploy.run("SELECT started_at = now(), finished_at FROM builds") == [(True, None)]
    become(deploy, "builds", BUILD, "succeeded")
    deploy.run("UPDATE builds SET status = 'succeeded'")
    assert deploy.run("SELECT started_at = now(), finished_at = now() FROM builds") == [(True, True)]
    history = "SELECT from_status, to_status FROM status_changes WHERE row_id = %s ORDER BY id"
    assert deploy.run(history, BUILD) == [(None, "queued"), ("queued", "running"), ("running", "succeeded")]
    changes = ("UPDATE status_changes SET to_status = 'x'", "DELETE FROM status_changes", "TRUNCATE status_changes")
    deploy.refused(psycopg.errors.InsufficientPrivilege, *changes, "DELETE FROM status_transitions")
    deploy.refused(psycopg.errors.RestrictViolation, *changes, user=ADMIN)
    deploy.refused(psycopg.errors.InsufficientPrivilege, "DELETE FROM builds", "DELETE FROM deployments")


def test_what_is_cancelled_before_it_began_has_not_started(deploy: Service) -> None:
    become(deploy, "builds", BUILD, "cancelled")
    assert deploy.run("SELECT started_at, finished_at = now() FROM builds") == [(None, True)]


def test_a_build_that_succeeded_has_an_image(deploy: Service) -> None:
    become(deploy, "builds", BUILD, "running")
    deploy.refused(
        psycopg.errors.CheckViolation,
        "UPDATE builds SET status = 'succeeded'",
        f"UPDATE builds SET image_digest = '{DIGEST}'",
        "UPDATE builds SET status = 'succeeded', image_digest = 'latest'",
    )


def test_only_what_succeeded_is_deployed_and_only_in_its_project(deploy: Service) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        queue(deploy, FIRST)
    become(deploy, "builds", BUILD, "running", "succeeded")
    with pytest.raises(psycopg.errors.CheckViolation):
        queue(deploy, FIRST, ELSEWHERE)
    queue(deploy, FIRST)


def test_an_environment_has_one_live_deployment(deploy: Service) -> None:
    become(deploy, "builds", BUILD, "running", "succeeded")
    queue(deploy, FIRST)
    queue(deploy, SECOND)
    become(deploy, "deployments", FIRST, "deploying")
    with pytest.raises(psycopg.errors.UniqueViolation):
        become(deploy, "deployments", SECOND, "deploying")
    become(deploy, "deployments", FIRST, "live")
    become(deploy, "deployments", SECOND, "deploying")
    with pytest.raises(psycopg.errors.UniqueViolation):
        become(deploy, "deployments", SECOND, "live")
    become(deploy, "deployments", FIRST, "superseded")
    become(deploy, "deployments", SECOND, "live")


def test_a_registry_is_of_the_project_and_has_no_password(deploy: Service) -> None:
    deploy.refused(psycopg.errors.ForeignKeyViolation, f"UPDATE builds SET project_id = '{OTHER}'")
    deploy.refused(
        psycopg.errors.CheckViolation,
        "UPDATE container_registries SET host = 'user:password@registry.example.org'",
        "UPDATE container_registries SET host = 'https://registry.example.org'",
    )


def test_a_quota_is_kept(deploy: Service) -> None:
    deploy.run(ALLOCATE.format(STAGING, PROJECT, "memory_mib", 1000))
    used = "SELECT used FROM resource_quotas"
    assert deploy.value(used) == 1000
    deploy.refused(
        psycopg.errors.CheckViolation,
        "UPDATE resource_allocations SET quantity = 1025",
        "UPDATE resource_quotas SET allowed = 999",
    )
    deploy.run("UPDATE resource_allocations SET quantity = 1024")
    assert deploy.value(used) == 1024
    deploy.refused(psycopg.errors.InsufficientPrivilege, "UPDATE resource_quotas SET used = 0")
    deploy.run(f"DELETE FROM environments WHERE id = '{STAGING}'")
    assert deploy.value(used) == 0


def test_without_a_quota_there_is_nothing(deploy: Service) -> None:
    deploy.refused(
        psycopg.errors.ForeignKeyViolation,
        ALLOCATE.format(STAGING, PROJECT, "replicas", 1),
        ALLOCATE.format(ELSEWHERE, PROJECT, "memory_mib", 1),
        ALLOCATE.format(ELSEWHERE, OTHER, "memory_mib", 1),
    )


def test_many_at_once_do_not_pass_a_quota_together(copied: Service) -> None:
    start_project(copied)
    copied.run(
        "INSERT INTO environments (id, project_id, name, kind)"
        f" SELECT md5(n::text)::uuid, '{PROJECT}', 'preview-' || n, 'preview' FROM generate_series(1, 8) n"
    )

    def allocate(number: int) -> bool:
        try:
            copied.run(
                "INSERT INTO resource_allocations (environment_id, project_id, resource, quantity)"
                f" VALUES (md5('{number}')::uuid, '{PROJECT}', 'memory_mib', 300)"
            )
        except psycopg.errors.CheckViolation:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(allocate, range(1, 9)))
    assert given.count(True) == 3
    assert copied.value("SELECT used FROM resource_quotas") == 900


def test_queries_use_their_indexes(deploy: Service) -> None:
    deploy.run("SET LOCAL session_replication_role = replica", user=SUPERUSER)
    for statement in (
        "INSERT INTO builds"
        " (id, project_id, registry_id, commit_sha, image_repository, status, image_digest, created_at)"
        f" SELECT md5(n::text)::uuid, md5((n % 500)::text)::uuid, '{REGISTRY}', md5(n::text) || '00000000', 'a',"
        f" CASE WHEN n % 200 = 0 THEN 'queued' ELSE 'succeeded' END, CASE WHEN n % 200 <> 0 THEN '{DIGEST}' END,"
        " now() - n * interval '1 minute' FROM generate_series(1, 20000) n",
        "INSERT INTO deployments (environment_id, build_id, status, created_at)"
        " SELECT md5((n % 1000)::text)::uuid, md5(n::text)::uuid, CASE WHEN n <= 1000 THEN 'live'"
        " WHEN n % 200 = 0 THEN 'queued' ELSE 'superseded' END, now() - n * interval '1 minute'"
        " FROM generate_series(1, 20000) n",
        "INSERT INTO status_changes (table_name, row_id, to_status)"
        " SELECT 'builds', md5(n::text)::uuid, 'queued' FROM generate_series(1, 20000) n",
    ):
        deploy.admin(statement)
    deploy.admin("ANALYZE")
    for query, index in (
        (
            "SELECT * FROM builds WHERE project_id = md5('7')::uuid ORDER BY created_at DESC LIMIT 10",
            "builds_project_id_idx",
        ),
        ("SELECT * FROM builds WHERE commit_sha = md5('7') || '00000000'", "builds_commit_sha_idx"),
        (
            "SELECT * FROM builds WHERE status IN ('queued', 'running') ORDER BY created_at LIMIT 10",
            "builds_unfinished_idx",
        ),
        (
            "SELECT * FROM deployments WHERE environment_id = md5('7')::uuid AND status = 'live'",
            "deployments_one_live_key",
        ),
        (
            "SELECT * FROM deployments WHERE environment_id = md5('7')::uuid ORDER BY created_at DESC LIMIT 10",
            "deployments_environment_id_idx",
        ),
        ("SELECT * FROM deployments WHERE build_id = md5('7')::uuid", "deployments_build_id_idx"),
        ("SELECT * FROM status_changes WHERE row_id = md5('7')::uuid ORDER BY id", "status_changes_row_idx"),
    ):
        assert deploy.indexes(query) == {index}, query
