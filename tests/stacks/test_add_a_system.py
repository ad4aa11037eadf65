"""docs/add-a-system.md, followed to the letter in a copy of the program."""

import re
from pathlib import Path

from tests.stacks.harness import local_stack, program_copy
from tools import ROOT
from trellis.development.bring import Parts

BLOCK = re.compile(r"^`(?P<file>[^`]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_three_files_make_a_system(parts: Parts) -> None:
    page = (ROOT / "docs" / "add-a-system.md").read_text()
    files = {match["file"]: match["text"] for match in BLOCK.finditer(page)}
    assert sorted(Path(name).suffix for name in files) == [".sql", ".sql", ".yaml", ".yaml"]
    with program_copy() as program:
        for name, text in files.items():
            path = program / name
            path.parent.mkdir(parents=True, exist_ok=True)
            assert not path.exists()
            path.write_text(text)
        with local_stack(parts, "notes", program) as stack:
            # As `make up` does it, with the policies.
            stack.stack.up()
            stack.must("preview", "--expect-no-changes")
            with stack.connect(stack.outputs()["pooled_uris"]["notes-db"]["notes-pool"]) as connection:
                row = connection.execute(_insert(page)).fetchone()
    assert row
    assert row[1:3] == ("me", "it works")


def _insert(page: str) -> bytes:
    found = re.search(r'-c "(INSERT [^"]+)"', page)
    assert found
    return found.group(1).encode()
