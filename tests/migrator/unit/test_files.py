"""Reading a folder of migrations."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrator.conftest import Write
from trellis.migrator import Kind, MigrationError, discover


def complaint(folder: Path) -> MigrationError:
    with pytest.raises(MigrationError) as raised:
        discover(folder)
    return raised.value


def test_order_kinds_and_names(write: Write) -> None:
    folder = write(
        {
            "R__b_view.sql": "",
            "V1.10__Tenth.sql": "",
            "V1.9.0__Ninth.sql": "",
            "R__B_view.sql": "",
            "nested/V2_0_1__From_below.SQL": "",
            "V1.9__Not_this.sql.bak": "",
            "B1.9__All_so_far.sql": "",
            "README.md": "",
            "V3.sql": "",
        }
    )
    found = [(file.kind, file.version, file.description, file.script) for file in discover(folder)]
    assert found == [
        (Kind.BASELINE, "1.9", "All so far", "B1.9__All_so_far.sql"),
        (Kind.VERSIONED, "1.9.0", "Ninth", "V1.9.0__Ninth.sql"),
        (Kind.VERSIONED, "1.10", "Tenth", "V1.10__Tenth.sql"),
        (Kind.VERSIONED, "2.0.1", "From below", "nested/V2_0_1__From_below.SQL"),
        (Kind.VERSIONED, "3", "", "V3.sql"),
        (Kind.REPEATABLE, None, "B view", "R__B_view.sql"),
        (Kind.REPEATABLE, None, "b view", "R__b_view.sql"),
    ]


def test_description_splits_at_the_first_separator_and_is_cut_for_the_history(write: Write) -> None:
    long = "d" * 205
    first, second = discover(write({"V1__a__b_c.sql": "", f"V2__{long}.sql": ""}))
    assert first.description == "a  b c"
    assert second.description == long
    assert second.recorded_description == "d" * 197 + "..."


@pytest.mark.parametrize(
    "name",
    ["V1__x.sql", "V01.0__x.sql", "V1.0.0__other.sql", "V1_0__x.sql"],
)
def test_the_same_version_twice(write: Write, name: str) -> None:
    error = complaint(write({"V1.0__first.sql": "", f"sub/{name}": ""}))
    assert "is already that of" in error.message
    assert f"sub/{name}" in str(error)
    assert "V1.0__first.sql" in str(error)


def test_the_same_repeatable_twice(write: Write) -> None:
    error = complaint(write({"R__grants.sql": "", "sub/R__grants.sql": ""}))
    assert "'grants' is already that of" in error.message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("V__x.sql", "'' is not a version"),
        ("V1.__x.sql", "'1.' is not a version"),
        ("V1..2__x.sql", "'1..2' is not a version"),
        ("V1a__x.sql", "'1a' is not a version"),
        ("V1_x.sql", "'1_x' is not a version"),
        ("V-1__x.sql", "'-1' is not a version"),
        ("V\u0661__x.sql", "is not a version"),
        ("v1__x.sql", "not that of a migration"),
        ("beforeMigrate.sql", "not that of a migration"),
        ("initial.sql", "not that of a migration"),
        ("R1__x.sql", "has no version"),
        ("Rx.sql", "has no version"),
        ("U1__x.sql", "Undo migrations are not offered"),
        (f"V{'1' * 51}__x.sql", "longer than 50"),
    ],
)
def test_a_name_that_is_none(write: Write, name: str, says: str) -> None:
    folder = write({name: ""})
    error = complaint(folder)
    assert says in error.message
    assert error.file == str(folder / name)


@pytest.mark.parametrize(
    ("content", "line", "column", "says"),
    [
        (b"select 1;\nselect '\xe9';\n", 2, 9, "0xE9 is not UTF-8"),
        ("select 'é';\r\n-- \xff".encode("latin-1"), 1, 9, "0xE9 is not UTF-8"),
        ("-- é\n-- ".encode() + b"\x80", 2, 4, "0x80 is not UTF-8"),
        (b"select 1;\r\rselect\0 2;", 3, 7, "NUL"),
        ("select 1;".encode("utf-16"), 1, 1, "0xFF is not UTF-8"),
        ("select 1;".encode("utf-16-le"), 1, 2, "NUL"),
    ],
)
def test_bytes_that_are_no_text(write: Write, content: bytes, line: int, column: int, says: str) -> None:
    error = complaint(write({"V1__x.sql": content}))
    assert says in error.message
    assert (error.line, error.column) == (line, column)


def test_a_folder_that_is_missing_empty_or_a_file(tmp_path: Path) -> None:
    assert "does not exist" in complaint(tmp_path / "nowhere").message
    assert "holds no migration" in complaint(tmp_path).message
    file = tmp_path / "file"
    file.touch()
    assert "is not a folder" in complaint(file).message


def test_links_that_lead_nowhere_new(write: Write) -> None:
    folder = write({"V1__x.sql": ""})
    (folder / "up").symlink_to(folder)
    assert "leads back to" in complaint(folder).message
    (folder / "up").unlink()
    (folder / "V2__loop.sql").symlink_to("V2__loop.sql")
    assert complaint(folder).file == str(folder / "V2__loop.sql")
    (folder / "V2__loop.sql").unlink()
    (folder / "V2__dangling.sql").symlink_to("nothing")
    assert "cannot be read" in complaint(folder).message


def test_settings_that_cannot_be_read(write: Write) -> None:
    folder = write({"V1__x.sql": ""})
    (folder / "V1__x.sql.conf").mkdir()
    assert "cannot be read: Is a directory" in complaint(folder).message


def test_a_folder_without_permission() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "V1__x.sql").touch()
        (folder / "closed").mkdir(mode=0)
        assert seen_by_an_ordinary_user(lambda: f"{folder / 'closed'} cannot be read" in complaint(folder).message)


def seen_by_an_ordinary_user(look: Callable[[], bool]) -> bool:
    """What an observation gives for somebody other than root, whom no permission stops."""
    if os.geteuid() != 0:
        return look()
    child = os.fork()
    if child == 0:
        try:
            os.seteuid(65534)
            os._exit(0 if look() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_settings_of_one_script(write: Write) -> None:
    folder = write(
        {
            "V1__x.sql": "",
            "V1__x.sql.conf": "# alone\nexecuteInTransaction = FALSE\nplaceholderReplacement=false\nencoding=UTF-8",
            "V2__y.sql": "",
        }
    )
    first, second = discover(folder)
    assert (first.config.execute_in_transaction, first.config.placeholder_replacement) == (False, False)
    assert (second.config.execute_in_transaction, second.config.placeholder_replacement) == (None, True)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("shouldExecute=false", "'shouldExecute' is not a setting"),
        ("executeInTransaction=no", "true or false"),
        ("encoding=ISO-8859-1", "'encoding' is not a setting"),
        ("executeInTransaction", "as name=value"),
    ],
)
def test_a_setting_that_is_not_known(write: Write, setting: str, says: str) -> None:
    folder = write({"V1__x.sql": "", "V1__x.sql.conf": "\n" + setting})
    error = complaint(folder)
    assert says in error.message
    assert (error.file, error.line) == (str(folder / "V1__x.sql.conf"), 2)


def test_foreign_files_are_named_all_together_and_passed_over_where_the_folder_says_so(write: Write) -> None:
    folder = write({"V1__x.sql": "", "schema.sql": "", "scripts/a.sql": "", "scripts/V2_b.sql": "", "U1__x.sql": ""})
    error = complaint(folder)
    assert error.file == str(folder / "U1__x.sql")
    assert "So it is with schema.sql, scripts/V2_b.sql, scripts/a.sql." in error.message
    assert "migrations.conf in the folder says ignore=U1__x.sql" in error.message
    write({"migrations.conf": "# of old\nignore = U*.sql\nignore=scripts/*\n"})
    assert complaint(folder).file == str(folder / "schema.sql")
    # What is a migration by its name is one, whatever the pattern.
    write({"migrations.conf": "ignore=*"})
    assert [file.script for file in discover(folder)] == ["V1__x.sql"]


def test_a_callback_of_flyways_is_called_so(write: Write) -> None:
    assert "Flyway's callbacks are not run here" in complaint(write({"afterMigrate.sql": ""})).message


def test_another_prefix_or_none(write: Write) -> None:
    folder = write({"migrations.conf": "prefix=", "1.0__a.sql": "", "2.sql": "", "R__r.sql": "", "B1__b.sql": ""})
    assert [(file.kind, file.version, file.description) for file in discover(folder)] == [
        (Kind.BASELINE, "1", "b"),
        (Kind.VERSIONED, "1.0", "a"),
        (Kind.VERSIONED, "2", ""),
        (Kind.REPEATABLE, None, "r"),
    ]
    write({"V3__c.sql": ""})
    assert "'V3' is not a version" in complaint(folder).message
    (folder / "V3__c.sql").unlink()
    for name in ("1.0__a.sql", "2.sql"):
        (folder / name).rename(folder / f"Rel{name}")
    write({"migrations.conf": "prefix=Rel"})
    assert [file.script for file in discover(folder)] == ["B1__b.sql", "Rel1.0__a.sql", "Rel2.sql", "R__r.sql"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("mixed=true", "'mixed' is not a setting of a folder"),
        ("legacy", "as name=value"),
        ("prefix=R", "cannot be"),
        ("prefix=a-b", "cannot be"),
        ("prefix=V\nprefix=W", "stands once"),
        ("legacy=V9__gone.sql", "legacy=V9__gone.sql: there is no such migration"),
    ],
)
def test_a_setting_of_the_folder_that_cannot_be(write: Write, setting: str, says: str) -> None:
    error = complaint(write({"V1__x.sql": "", "migrations.conf": setting}))
    assert says in error.message
    assert error.file is not None
    assert error.file.endswith("migrations.conf")
