"""The test data of development stacks: it goes in after the migrations, fills every table, and goes in once."""

from typing import Any

import pytest

from tests.systems.capsule.product import ADMIN, FOLDER, PASSWORD, SERVICES, Service
from trellis.migrator import Options, Report, Target, migrate

# What a service changes itself, or a server does.
NOT_DATA = {"service_configuration", "metric_storage", "status_transitions", "flyway_schema_history", "seed_history"}


def sow(service: Service) -> Report:
    """Puts the test data in, with a history of its own."""
    target = Target(service.database.parameters(ADMIN, PASSWORD), table="seed_history")
    folder = FOLDER / f"{service.name}_service_db.seeds"
    return migrate(target, folder, {"app_role": service.user}, Options(baseline_version="0"))


def contents(service: Service) -> dict[str, list[Any]]:
    """Every row of the service's tables."""
    tables = service.admin(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    return {
        name: service.admin(f"SELECT t::text FROM {name} t ORDER BY 1") for (name,) in tables if name not in NOT_DATA
    }


@pytest.mark.parametrize("copied", SERVICES, indirect=True)
def test_every_table_has_something_to_show_and_a_second_run_adds_nothing(copied: Service) -> None:
    copied.migrate()  # what names its database is another file in a copy
    history = copied.database.history()
    assert len(sow(copied).applied) == 1
    before = contents(copied)
    assert [table for table, rows in before.items() if not rows] == []
    assert sow(copied).applied == ()
    copied.admin("UPDATE seed_history SET checksum = 0 WHERE version IS NULL")
    assert len(sow(copied).applied) == 1
    assert contents(copied) == before
    assert copied.migrate().applied == ()
    assert copied.database.history() == history
