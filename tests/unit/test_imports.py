"""Who may import whom: the rules of docs/design.md, held by reading every module's imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINGERPRINT = "trellis/fingerprint"
STARTUP = "trellis/startup"
ALLOWED: dict[str, set[str]] = {
    "trellis/settings": set(),
    "trellis/migrator": set(),
    "trellis/server": set(),
    "trellis/providers": {"trellis/migrator", "trellis/server", FINGERPRINT},
    "trellis/operations": {"trellis/settings", "trellis/migrator", "trellis/policies"},
    "trellis/development": {"trellis/settings", "trellis/operations", "trellis/policies", "localcloud"},
    "components": {"trellis/settings", "trellis/migrator", "trellis/providers", "trellis/server", FINGERPRINT, STARTUP},
    "policies": {"trellis/settings", "trellis/policies", STARTUP},
    "localcloud": set(),
}
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


def test_only_the_migrations_provider_joins_pulumi_and_the_migrator() -> None:
    def users(folder: str) -> set[str]:
        return {path.name for path in (ROOT / folder).glob("*.py") if "trellis/migrator" in _imports(path)}

    # They read the files; the provider runs them.
    assert users("components") == {"migrations.py", "program.py", "schemas.py", "system.py"}
    assert users("trellis/providers") == {"migrations.py"}


def test_the_program_stays_short() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 40
