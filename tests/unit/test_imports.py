"""Who may import whom: the rules of docs/design.md, held by reading every module's imports."""

import ast
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINGERPRINT = "trellis/fingerprint"
STARTUP = "trellis/startup"
CONNECT = "trellis/connect"
WRITING = "trellis/writing"
ALLOWED: dict[str, set[str]] = {
    "trellis/settings": {STARTUP},
    "trellis/migrator": {STARTUP},
    "trellis/server": set(),
    "trellis/providers": {"trellis/migrator", "trellis/server", FINGERPRINT},
    "trellis/monitoring": {"trellis/settings"},
    "trellis/operations": {
        "trellis/settings",
        "trellis/migrator",
        "trellis/monitoring",
        "trellis/server",
        "trellis/policies",
        FINGERPRINT,
        WRITING,
    },
    "trellis/development": {"trellis/settings", "trellis/operations", "trellis/policies", "localcloud", CONNECT},
    "components": {
        "trellis/settings",
        "trellis/migrator",
        "trellis/monitoring",
        "trellis/providers",
        "trellis/server",
        FINGERPRINT,
        STARTUP,
        CONNECT,
    },
    "policies": {"trellis/settings", "trellis/policies", STARTUP},
    "localcloud": set(),
}
MIGRATOR = ROOT / "trellis" / "migrator"
# Its packages, the lowest floor first: each imports those below it, by their faces. GROUND is below them all.
FLOORS = (("sql",), ("history",), ("connecting",), ("running", "repairing"))
GROUND = {"errors", "options", "versions"}
OURS = {"components", "localcloud", "policies", "tools", "bench", "tests"}
SDKS = {"pulumi_digitalocean", "pulumi_cloudflare", "pulumi_random"}


def _modules(path: Path) -> set[str]:
    """Every module that is imported anywhere in a file, relative ones left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _imports(path: Path) -> set[str]:
    """The packages behind those modules; ours below trellis/ by two parts of their names."""
    parts = (name.split(".") for name in _modules(path))
    return {"/".join(names[: 2 if names[0] == "trellis" else 1]) for names in parts}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for module in modules:
        ours = {name for name in _imports(module) if name in OURS or name.startswith("trellis/")} - {package}
        assert ours <= ALLOWED[package], f"{module.relative_to(ROOT)} imports {ours - ALLOWED[package]}"


def test_only_components_import_a_provider_sdk() -> None:
    for package in sorted(ALLOWED.keys() - {"components"}):
        for module in (ROOT / package).rglob("*.py"):
            assert not _imports(module) & SDKS, module.relative_to(ROOT)
    assert not _imports(ROOT / "__main__.py") & SDKS


def test_the_migrator_and_the_settings_know_nothing_of_pulumi() -> None:
    for package in ("migrator", "settings", "operations"):
        for module in (ROOT / "trellis" / package).rglob("*.py"):
            assert "pulumi" not in _imports(module), module.relative_to(ROOT)


def test_the_policies_know_of_the_settings_only_the_catalogue() -> None:
    for module in (ROOT / "policies").rglob("*.py"):
        names = {name for name in _modules(module) if name.startswith("trellis.settings")}
        assert all(name.startswith("trellis.settings.catalogue.") for name in names), module.name


def test_only_two_providers_join_pulumi_and_the_migrator() -> None:
    def users(folder: str) -> set[str]:
        return {path.name for path in (ROOT / folder).glob("*.py") if "trellis/migrator" in _imports(path)}

    # They read the files; a provider runs them, and one makes second logins.
    assert users("components") == {"migrations.py", "program.py", "schemas.py", "system.py"}
    assert users("trellis/providers") == {"base.py", "membership.py", "migrations.py"}


def _face(package: str) -> set[str]:
    """What a package of the migrator exports."""
    for node in ast.parse((MIGRATOR / package / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{package} has no __all__")


FACES = {package: _face(package) for floor in FLOORS for package in floor}


def _faces_for(path: Path) -> set[str]:
    """The packages of the migrator that a module may import."""
    if not path.is_relative_to(MIGRATOR) or path == MIGRATOR / "__init__.py":
        return set(FACES)
    own = path.relative_to(MIGRATOR).parts[0]
    below = takewhile(lambda floor: own not in floor, FLOORS) if own in FACES else ()
    return {package for floor in below for package in floor}


def _of_the_migrator(path: Path, source: str) -> Iterator[list[str]]:
    """The names below `trellis.migrator` that a module imports, less what its own package has beside it."""
    folder = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not (node.level == 1 and folder[-1] in FACES):
            start = folder[: len(folder) - node.level + 1] if node.level else ()
            names = [".".join(filter(None, (*start, node.module, alias.name))) for alias in node.names]
        yield from (name.split(".")[2:] for name in names if name.startswith("trellis.migrator."))


def _wrong(path: Path, source: str) -> list[str]:
    """What a module imports past a face of the migrator, or from a package that is not below its own."""
    faces, outside = _faces_for(path), not path.is_relative_to(MIGRATOR)
    found = []
    for package, *names in _of_the_migrator(path, source):
        if package in FACES:
            right = package in faces and len(names) == 1 and names[0] in FACES[package]
        else:
            right = outside or package in GROUND
        if not right:
            found.append(".".join((package, *names)))
    return found


@pytest.mark.parametrize("folder", ["trellis", *sorted(OURS)])
def test_packages_of_the_migrator_are_used_by_their_faces(folder: str) -> None:
    own_tests = ROOT / "tests" / "migrator"
    for module in (ROOT / folder).rglob("*.py"):
        if not module.is_relative_to(own_tests):
            wrong = _wrong(module, module.read_text())
            assert not wrong, f"{module.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sql/files.py", "from trellis.migrator.history import HistoryRow"),
        ("sql/files.py", "from ..history import HistoryRow"),
        ("running/apply.py", "def f():\n    from trellis.migrator.repairing import repair"),
        ("repairing/repairs.py", "from trellis.migrator.running import migrate"),
        ("history/table.py", "from trellis.migrator.sql.files import Kind"),
        ("history/table.py", "from trellis.migrator.sql import files"),
        ("history/table.py", "from trellis.migrator.sql import *"),
        ("history/table.py", "from ..sql.files import Kind"),
        ("history/table.py", "import trellis.migrator.sql.files"),
        ("history/table.py", "from trellis.migrator import sql"),
        ("history/table.py", "from trellis.migrator import discover"),
        ("history/table.py", "from trellis.migrator.history.ledger import read_ledger"),
        ("errors.py", "from trellis.migrator.sql import Kind"),
        ("errors.py", "from .sql import Kind"),
        ("__init__.py", "from trellis.migrator.sql.files import Kind"),
        ("../operations/plans.py", "from trellis.migrator.connecting.wire import run"),
    ],
)
def test_what_passes_a_face_is_found(module: str, line: str) -> None:
    assert _wrong(Path(MIGRATOR, module).resolve(), line)


def test_the_program_stays_short() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 40
