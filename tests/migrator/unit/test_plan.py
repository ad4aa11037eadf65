"""What is pending and what is wrong, without a server."""

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trellis.migrator import HistoryRow, Kind, MigrationError, MigrationFile, Options, Plan, plan
from trellis.migrator.history.comparison import examine
from trellis.migrator.history.table import Unfinished
from trellis.migrator.sql.text import checksum
from trellis.migrator.versions import version_key

_folder = tempfile.TemporaryDirectory(prefix="migrator-plan-")


@cache
def file(name: str, sql: str = "SELECT 1;") -> MigrationFile:
    """A migration on the disk; each text has a folder of its own."""
    content = sql.encode()
    folder = Path(_folder.name, hashlib.sha256(content).hexdigest(), "migrations")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.sql"
    path.write_bytes(content)
    stem, _, description = name.partition("__")
    kind, version = Kind(stem[0]), stem[1:] or None
    return MigrationFile(kind, version, description, path, path.name, checksum(content))


def row(rank: int, source: MigrationFile, **changes: object) -> HistoryRow:
    values: dict[str, object] = {
        "installed_rank": rank,
        "version": source.version,
        "description": source.description,
        "type": "SQL_BASELINE" if source.kind is Kind.BASELINE else "SQL",
        "script": source.script,
        "checksum": source.checksum,
        "installed_on": datetime(2026, 1, 5, 10, 30),
    }
    return HistoryRow(**(values | changes))  # type: ignore[arg-type]


def pending(files: Sequence[MigrationFile], history: Sequence[HistoryRow] = (), **options: object) -> list[str]:
    return [found.script.removesuffix(".sql") for found in made(files, history, **options).pending]


def made(files: Sequence[MigrationFile], history: Sequence[HistoryRow] = (), **options: object) -> Plan:
    return plan(files, history, {"role": "app"}, Options(**options))  # type: ignore[arg-type]


def complaint(files: Sequence[MigrationFile], history: Sequence[HistoryRow] = (), **options: object) -> str:
    with pytest.raises(MigrationError) as raised:
        made(files, history, **options)
    assert raised.value.state is not None
    assert raised.value.state.startswith("Nothing was changed")
    return str(raised.value)


V1, V2, V3 = file("V1__one"), file("V2__two"), file("V3__three")
R = file("R__grants", "GRANT SELECT ON t TO ${role};")


def test_everything_is_pending_on_an_empty_history() -> None:
    assert pending([V1, V2, R]) == ["V1__one", "V2__two", "R__grants"]


def test_what_is_applied_is_not_pending() -> None:
    found = made([V1, V2, V3], [row(1, V1), row(2, V2)])
    assert [item.version for item in found.pending] == ["3"]
    assert [item.version for item in found.applied] == ["1", "2"]
    assert found.current_version == "2"


def test_an_edited_file() -> None:
    text = complaint([file("V1__one", "SELECT 2;"), V2], [row(1, V1), row(2, V2)])
    assert "migrations/V1__one.sql: The file was changed after it was applied on 2026-01-05 10:30:00" in text
    assert "version 2 is current" in text


def test_a_renamed_file() -> None:
    assert "'one' and is 'uno' now" in complaint([file("V1__uno")], [row(1, V1)])


@pytest.mark.parametrize("gone", [V1, V2])
def test_an_applied_version_without_a_file(gone: MigrationFile) -> None:
    files = [kept for kept in (V1, V2, V3) if kept is not gone]
    history = [row(1, V1), row(2, V2)]
    assert f"Version {gone.version} ({gone.script}) was applied" in complaint(files, history)
    found = made(files, history, allow_missing=True)
    assert [item.version for item in found.pending] == ["3"]
    assert gone.script in found.warnings[0]


def test_an_applied_repeatable_without_a_file() -> None:
    assert "The repeatable migration 'grants'" in complaint([V1], [row(1, V1), row(2, R)])


def test_a_version_below_the_current_one() -> None:
    history = [row(1, V1), row(2, V3)]
    assert "Version 2 is below version 3" in complaint([V1, V2, V3], history)
    assert pending([V1, V2, V3], history, out_of_order=True) == ["V2__two"]


def test_a_failed_row() -> None:
    assert "The history says that it failed" in complaint([V1, V2], [row(1, V1), row(2, V2, success=False)])
    assert "The history says that it failed" in complaint([R], [row(1, R, success=False)])


def test_several_problems_are_counted() -> None:
    text = complaint([V1], [row(1, file("V1__uno")), row(2, V2), row(3, V3)])
    assert "2 more problems" in text


@pytest.mark.parametrize(("done", "begun"), [(0, False), (0, True), (3, False), (3, True)])
def test_an_interrupted_row_is_gone_on_with(done: int, begun: bool) -> None:
    progress = Unfinished(done, begun)
    left = row(2, V2, success=False, execution_time=progress.execution_time)
    assert left.unfinished == progress
    found = made([V1, V2, V3], [row(1, V1), left])
    assert [item.version for item in found.pending] == ["2", "3"]
    assert found.pending[0].unfinished == left
    assert found.current_version == "1"


def test_an_interrupted_file_that_was_edited() -> None:
    edited = file("V2__two", "SELECT 22;")
    not_begun = row(2, V2, success=False, execution_time=Unfinished(0, False).execution_time)
    assert pending([V1, edited], [row(1, V1), not_begun]) == ["V2__two"]
    under_way = row(2, V2, success=False, execution_time=Unfinished(1, False).execution_time)
    assert "changed after 1 of its statements had run" in complaint([V1, edited], [row(1, V1), under_way])


def test_a_repeatable_runs_again_when_its_rendered_text_changes() -> None:
    applied = row(1, R, checksum=R.checksum_with({"role": "app"}))
    assert pending([R], [applied]) == []
    assert pending([R], [row(1, R, checksum=R.checksum_with({"role": "other"}))]) == ["R__grants"]
    assert pending([R], [row(1, R, checksum=R.checksum)]) == [], "recorded before its placeholders were replaced"
    assert pending([R], [row(1, R, checksum=5), row(2, R, checksum=applied.checksum)]) == []
    assert pending([R], [row(1, R, checksum=applied.checksum), row(2, R, checksum=5)]) == ["R__grants"]


def test_an_unknown_placeholder_in_a_repeatable_that_ran_before() -> None:
    lost = file("R__grants", "SELECT ${nope};")
    assert "no value is given" in complaint([lost], [row(1, lost)])
    assert "no value is given" in complaint([lost], [row(1, lost, success=False, execution_time=-1)])


def test_an_unknown_placeholder_stops_before_anything_runs() -> None:
    text = complaint([V1, file("V2__two", "SELECT 1;\nSELECT ${nope};")])
    assert "V2__two.sql, line 2, column 8" in text
    assert "${nope}" in text
    assert "${role}" in text


def test_sql_that_cannot_run_stops_before_anything_runs() -> None:
    assert "line 1, column 11: COMMIT is not allowed" in complaint([V1, file("V2__two", "SELECT 1; COMMIT;")])
    assert "string is never closed" in complaint([file("V2__two", "SELECT 'x;")])
    assert "needs a name for its index" in complaint([file("V2__two", "CREATE INDEX CONCURRENTLY ON t (a);")])


def test_what_cannot_run_in_a_transaction_is_found() -> None:
    found = made([V1, file("V2__two", "SELECT 1; CREATE INDEX CONCURRENTLY i ON t (a);")])
    assert [item.transactional for item in found.pending] == [True, False]


def test_a_baseline_row_stands_for_the_versions_below() -> None:
    baseline = HistoryRow(
        installed_rank=1,
        version="2",
        description="<< Flyway Baseline >>",
        type="BASELINE",
        script="<< Flyway Baseline >>",
        checksum=None,
    )
    assert pending([V1, V2, V3], [baseline]) == ["V3__three"]


def test_a_baseline_migration_takes_the_place_of_the_versions_below() -> None:
    b1, b2 = file("B1__all"), file("B2__all")
    files = [b1, V1, b2, V2, V3]
    assert pending(files) == ["B2__all", "V3__three"]
    assert pending(files, target="1") == ["B1__all"]
    assert pending(files, [row(1, V1)]) == ["V2__two", "V3__three"]
    assert pending(files, [row(1, b2)]) == ["V3__three"]
    assert pending([b2, V3], [row(1, V1), row(2, V2)]) == ["V3__three"], "its versions may then leave the folder"


def test_a_target() -> None:
    assert pending([V1, V2, V3, R], target="2.0") == ["V1__one", "V2__two", "R__grants"]


def test_a_deleted_version_may_come_again() -> None:
    history = [row(1, V1), row(2, V2), row(3, V2, type="DELETE")]
    assert pending([V1], history) == []
    assert pending([V1, V2], history) == ["V2__two"]
    assert "second deletion" in complaint([V1], [*history, row(4, V2, type="DELETE")])


def test_rows_nobody_writes() -> None:
    assert "the type 'MAGIC'" in complaint([V1], [row(1, V1, type="MAGIC")])
    assert "'latest', which is not a version" in complaint([V1], [row(1, V1, version="latest")])
    assert "undo" in complaint([V1], [row(1, V1), row(2, V1, type="UNDO_SQL")])


names = st.sampled_from(["V1", "V1.1", "V2", "V2.0.1", "V3", "V10", "B1", "B2", "B3", "R"])
contents = st.sampled_from(
    ["SELECT 1;", "SELECT 2;", "VACUUM;", "SELECT ${role};", "SELECT ${nope};", "COMMIT;", "'", ""]
)
files = st.builds(
    lambda name, description, sql: file(f"{name}__{description}", sql), names, st.sampled_from(["a", "b"]), contents
)


def distinct(found: list[MigrationFile]) -> list[MigrationFile]:
    by_identity = {(one.kind, one.version or one.description): one for one in found}
    return sorted(by_identity.values(), key=lambda one: (one.kind is Kind.REPEATABLE, one.version_key, one.description))


rows = st.builds(
    lambda source, kind, success, time, checksum: row(
        0, source, type=kind, success=success, execution_time=time, checksum=source.checksum if checksum else 7
    ),
    files,
    st.sampled_from(["SQL", "SQL", "SQL", "BASELINE", "SQL_BASELINE", "DELETE", "SCHEMA", "JDBC", "MAGIC"]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([0, 5, -1, -2, -3]),
    st.sampled_from([True, True, False]),
)
histories = st.lists(rows, max_size=6).map(
    lambda found: [
        HistoryRow(**{name: getattr(one, name) for name in one.__slots__} | {"installed_rank": rank})
        for rank, one in enumerate(found, start=1)
    ]
)
options = st.builds(
    Options, target=st.sampled_from([None, "1", "2"]), out_of_order=st.booleans(), allow_missing=st.booleans()
)


@given(st.lists(files, max_size=6).map(distinct), histories, options)
def test_any_files_and_history_give_a_plan_or_a_complaint(
    found: list[MigrationFile], history: list[HistoryRow], settings: Options
) -> None:
    examined = examine(found, history, {"role": "app"}, settings)
    if examined.problems:
        with pytest.raises(MigrationError) as raised:
            plan(found, history, {"role": "app"}, settings)
        assert raised.value is not None
        assert raised.value.message == examined.problems[0].message
        assert raised.value.message.strip()
        return
    made_plan = plan(found, history, {"role": "app"}, settings)
    versions = [version_key(item.version) for item in made_plan.pending if item.version and item.unfinished is None]
    assert versions == sorted(versions)
    kinds = [item.version is None for item in made_plan.pending]
    assert kinds == sorted(kinds), "repeatables run last"
    if settings.target is not None:
        assert all(key <= version_key(settings.target) for key in versions)
    if not settings.out_of_order and made_plan.current_version is not None:
        assert all(key >= version_key(made_plan.current_version) for key in versions)


@given(st.lists(files, max_size=6).map(distinct), options)
def test_a_plan_carried_out_leaves_nothing_pending(found: list[MigrationFile], settings: Options) -> None:
    examined = examine(found, [], {"role": "app"}, settings)
    if examined.problems:
        assert not any("applied" in problem.message for problem in examined.problems)
        return
    history = [row(rank, item.file, checksum=item.checksum) for rank, item in enumerate(examined.pending, start=1)]
    again = plan(found, history, {"role": "app"}, settings)
    assert again.pending == ()
    assert len(again.applied) == len(history)
