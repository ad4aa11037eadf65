"""Who may import whom: the rules of docs/design.md, held by reading every module's imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = set("settings components trellis migrator localcloud operations policies tools bench tests".split())
ALLOWED: dict[str, set[str]] = {
    "settings": set(),
    "migrator": set(),
    "localcloud": set(),
    "components": {"settings", "migrator", "trellis"},
    "trellis": {"migrator"},
    "operations": {"settings", "migrator", "policies"},
    "policies": {"settings"},
}
SDKS = {"pulumi_digitalocean", "pulumi_cloudflare", "pulumi_random"}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for module in modules:
        ours = _imports(module) & OURS - {package}
        assert ours <= ALLOWED[package], f"{module.relative_to(ROOT)} imports {ours - ALLOWED[package]}"


def test_only_components_import_a_provider_sdk() -> None:
    for package in sorted(ALLOWED.keys() - {"components"}):
        for module in (ROOT / package).rglob("*.py"):
            assert not _imports(module) & SDKS, module.relative_to(ROOT)
    assert not _imports(ROOT / "__main__.py") & SDKS


def test_the_migrator_and_the_settings_know_nothing_of_pulumi() -> None:
    for package in ("migrator", "settings", "operations"):
        for module in (ROOT / package).rglob("*.py"):
            assert "pulumi" not in _imports(module), module.relative_to(ROOT)


def test_the_policies_know_of_the_settings_only_the_catalogue() -> None:
    for module in (ROOT / "policies").rglob("*.py"):
        names = {node.module for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom)}
        assert {name for name in names if name and name.startswith("settings")} <= {"settings.catalogue"}, module.name


def test_only_the_migrations_provider_joins_pulumi_and_the_migrator() -> None:
    users = {path.name for path in (ROOT / "components").glob("*.py") if "migrator" in _imports(path)}
    # They read the files; the provider runs them.
    assert users == {"migrations.py", "schemas.py", "system.py"}
    users = {str(path.relative_to(ROOT)) for path in (ROOT / "trellis").rglob("*.py") if "migrator" in _imports(path)}
    assert users == {"trellis/providers/migrations.py"}


def test_the_program_stays_short() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 40
