"""The commands of README.md as printed there, for a test that types them."""

import re

from tools import ROOT


def commands(heading: str) -> list[str]:
    """The shell blocks below a heading of README.md, in order, each as one script.

    Raises LookupError for a heading that is not there, or has no shell block: the page and the test went apart.
    """
    sections = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    for section in sections:
        title, _, text = section.partition("\n")
        if title == heading and (found := re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)):
            return found
    raise LookupError(f"README.md has no shell commands below {heading!r}")
