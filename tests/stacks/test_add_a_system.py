"""docs/add-a-system.md, followed to the letter in a copy of the program, with a database of Drizzle's beside it."""

import hashlib
import json
import re
from pathlib import Path

from tests.stacks.harness import local_stack, program_copy
from tools import ROOT
from trellis.development.bring import Parts

BLOCK = re.compile(r"^`(?P<file>[^`]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


DRAFTS = """      drafts:
        migrations: notes/drizzle
        roles: {app_role: notes_app}
"""
SQL = (
    'CREATE TABLE "drafts" ("id" serial PRIMARY KEY NOT NULL);\n',
    'ALTER TABLE "drafts" ADD COLUMN "body" text;--> statement-breakpoint\nCREATE TABLE "tags" ("name" text);\n',
)


def _drizzle(folder: Path, count: int) -> None:
    """Write a folder as drizzle-kit does, and what grants beside its files."""
    entries = [
        {"idx": n, "version": "7", "when": 100 + n, "tag": f"000{n}_x", "breakpoints": True} for n in range(count)
    ]
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    journal = {"version": "7", "dialect": "postgresql", "entries": entries}
    (folder / "meta/_journal.json").write_text(json.dumps(journal))
    for entry, text in zip(entries, SQL, strict=False):
        (folder / f"{entry['tag']}.sql").write_text(text)
    (folder / "R__Grants.sql").write_text("GRANT SELECT ON drafts TO ${app_role};\n")


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
        system = program / "systems/notes.yaml"
        system.write_text(system.read_text().replace("    pools:\n", f"{DRAFTS}    pools:\n"))
        _drizzle(program / "migrations/notes/drizzle", 1)
        with local_stack(parts, "notes", program) as stack:
            # As `make up` does it, with the policies.
            stack.stack.up()
            stack.must("preview", "--expect-no-changes")
            with stack.connect(stack.outputs()["pooled_uris"]["notes-db"]["notes-pool"]) as connection:
                row = connection.execute(_insert(page)).fetchone()
            _drizzle(program / "migrations/notes/drizzle", 2)
            assert "0001_x.sql" in stack.must("preview", "--diff")
            stack.up()
            with stack.connect(stack.outputs()["direct_uris"]["notes-db"]["drafts"]) as connection:
                rows = connection.execute("SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id")
                recorded = rows.fetchall()
                granted = connection.execute("SELECT has_table_privilege('notes_app', 'drafts', 'SELECT')").fetchone()
    assert row
    assert row[1:3] == ("me", "it works")
    assert recorded == [(hashlib.sha256(text.encode()).hexdigest(), 100 + n) for n, text in enumerate(SQL)]
    assert granted == (True,)


def _insert(page: str) -> bytes:
    found = re.search(r'-c "(INSERT [^"]+)"', page)
    assert found
    return found.group(1).encode()
