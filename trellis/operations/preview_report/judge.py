"""What judges a pull request comes from where it goes to, not from itself."""

from collections.abc import Iterator
from pathlib import Path

from trellis import policies

# Whoever may change these unseen may pass with anything.
FILES = (".github/**/*", "policies/**/*.py", "policies/**/*.yaml", "policies.*.json")


def changed(base: Path, here: Path) -> list[str]:
    """The files of the judge that differ between two checkouts, by their paths in them."""
    names = sorted({*_files(base), *_files(here)})
    return [name for name in names if _content(base / name) != _content(here / name)]


def pack(base: Path | None) -> Path:
    """The policy pack: that of a checkout which has one, else the installed one."""
    own = base / "policies" / "__main__.py" if base else None
    return own.resolve() if own and own.is_file() else Path(policies.__file__).resolve().parent / "__main__.py"


def settings(base: Path | None, stack: str) -> Path | None:
    """The pack's settings for a stack; None where there are none."""
    file = (base or Path()) / f"policies.{stack}.json"
    return file if file.is_file() else None


def _files(root: Path) -> Iterator[str]:
    return (str(path.relative_to(root)) for form in FILES for path in root.glob(form) if path.is_file())


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
