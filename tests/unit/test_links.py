"""Links of the pages to files and headings of this repository lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from tools import ROOT

_CODE = re.compile(r"```.*?```", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)\s]*?)(?:#([^)\s]+))?\)")
PAGES = subprocess.run(
    ("git", "ls-files", "*.md"), cwd=ROOT, capture_output=True, check=True, text=True
).stdout.splitlines()


def _headings(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found = re.findall(r"^#+ (.+)$", _CODE.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in found)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    wrong = []
    for path, anchor in _LINK.findall(_CODE.sub("", (ROOT / page).read_text())):
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _headings(target)):
            wrong.append(f"{path}#{anchor}")
    assert wrong == []
