"""docs/add-a-system.md, followed to the letter in a copy of the program."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stacks.harness import LocalStack, open_folder
from tools.bring import Parts
from tools.workspace import ROOT

BLOCK = re.compile(r"^`(?P<file>[^`]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with open_folder() as folder:
        for part in ("settings", "components", "migrator", "localcloud", "operations", "systems", "migrations"):
            shutil.copytree(ROOT / part, folder / part)
        for part in ("__main__.py", "Pulumi.yaml"):
            shutil.copy(ROOT / part, folder / part)
        (folder / ".venv").symlink_to(sys.prefix)
        for module in ("tests.stacks.harness", "tools.dev"):
            monkeypatch.setattr(f"{module}.ROOT", folder)
        yield folder


def test_three_files_make_a_system(program: Path, parts: Parts) -> None:
    page = (ROOT / "docs" / "add-a-system.md").read_text()
    files = {match["file"]: match["text"] for match in BLOCK.finditer(page)}
    assert sorted(Path(name).suffix for name in files) == [".sql", ".sql", ".yaml", ".yaml"]
    for name, text in files.items():
        path = program / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_text(text)
    with open_folder() as workspace:
        stack = LocalStack(workspace, parts, "notes")
        stack.start()
        try:
            stack.up()
            stack.must("preview", "--expect-no-changes")
            with stack.connect(stack.outputs()["pooled_uris"]["notes-db"]["notes-pool"]) as connection:
                row = connection.execute(_insert(page)).fetchone()
            assert row
            assert row[1:3] == ("me", "it works")
        finally:
            stack.stop()


def _insert(page: str) -> bytes:
    found = re.search(r'-c "(INSERT [^"]+)"', page)
    assert found
    return found.group(1).encode()
