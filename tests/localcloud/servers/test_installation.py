"""How the local cloud arranges an installation of PostgreSQL: in one folder, or as Debian has it."""

from pathlib import Path

import pytest

from localcloud.servers import ToolMissing
from localcloud.servers.installation import prepare

LAYOUTS = {"one folder": ("17", "17/share/extension"), "Debian": ("lib/postgresql/17", "share/postgresql/17/extension")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_programs_are_copied_and_extensions_trusted(tmp_path: Path, layout: str) -> None:
    home, extensions = (tmp_path / "installed" / path for path in LAYOUTS[layout])
    for path in (home / "bin" / "postgres", home / "bin" / "initdb", home / "lib" / "some.so"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    extensions.mkdir(parents=True)
    for name in ("plpgsql", "dblink", "citext"):
        (extensions / f"{name}.control").write_text("comment = 'any'\n")
    (extensions.parent / "timezonesets").mkdir()
    majors = tmp_path / "majors"
    majors.mkdir()
    (majors / "17").symlink_to(home)

    made = prepare(majors / "17", tmp_path / "state" / "17")

    assert (made.major, set(made.extensions)) == ("17", {"plpgsql", "dblink", "citext"})
    assert made.program("postgres").read_text() == "postgres"
    assert not made.program("postgres").is_symlink()
    assert (made.folder / "lib" / "some.so").exists()
    # The way from the programs to the extensions is as long as it was.
    share = made.folder / extensions.relative_to(home) if layout == "one folder" else None
    share = share or made.folder.parents[2] / "share" / "postgresql" / "17" / "extension"
    assert "trusted = true" in (share / "dblink.control").read_text()
    assert "trusted" not in (share / "citext.control").read_text()
    assert (share.parent / "timezonesets").is_dir()
    assert "trusted" not in (extensions / "dblink.control").read_text()


def test_an_incomplete_installation_is_said(tmp_path: Path) -> None:
    (tmp_path / "17" / "bin").mkdir(parents=True)
    with pytest.raises(ToolMissing, match=r"not a complete PostgreSQL installation: it lacks .*bin/postgres"):
        prepare(tmp_path / "17", tmp_path / "state")
