"""`trellis new`: the files that a repository of a team's own begins with, one more system, the next migration."""

import json
import re
from argparse import Namespace
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from trellis.operations.errors import OperationError, WrongCall
from trellis.operations.project import project
from trellis.operations.terminal import say

_FILES = Path(__file__).resolve().parent / "files"
_REPOSITORY = {
    "Makefile": "Makefile",
    "Pulumi.yaml": "Pulumi.yaml",
    "prod-stack.yaml": "Pulumi.prod.yaml",
    "program.txt": "__main__.py",
    "requirements.txt": "requirements.txt",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/trellis.yml",
    "operate.yml": ".github/workflows/operate.yml",
    "backup.yml": ".github/workflows/backup.yml",
    "drill.yml": ".github/workflows/drill.yml",
    "readme.md": "README.md",
}
_SYSTEM = {
    "system.yaml": "systems/@system@.yaml",
    "schema.sql": "migrations/@system@/@database@/V1.0.0__Items.sql",
    "grants.sql": "migrations/@system@/@database@/R__Grants.sql",
    "local-stack.yaml": "Pulumi.@stack@.yaml",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 30
_RANGES = [IPv4Network(f"10.{number}.0.0/16") for number in range(60, 256)]


def run(options: Namespace) -> int:
    """The subcommand `new`."""
    kind, *rest = options.what
    if options.folder and (kind in _KINDS and rest):
        raise WrongCall("--folder belongs to a new repository. A system and a migration go into this one.")
    if kind != "migration" and (options.system or options.database):
        raise WrongCall("--system and --database belong to `trellis new migration`.")
    if kind in _KINDS and rest:
        _KINDS[kind](" ".join(rest), options)
    elif kind in _KINDS:
        raise WrongCall(f"`trellis new {kind}` wants {'a name' if kind == 'system' else 'a description'} after it.")
    elif rest:
        raise WrongCall(f"{' '.join(options.what)!r}: a repository has one name. Or: `trellis new system NAME`.")
    else:
        _repository(kind, options)
    return 0


def _repository(name: str, options: Namespace) -> None:
    _check_name(name)
    root = options.folder or Path(name)
    values = {**_values(name, "dev", _RANGES[0]), "name": name, "requirements": "\n".join(_requirements())}
    _write(root, {**_REPOSITORY, **_SYSTEM}, values)
    say(f"{root} holds {name}. Next:\n  cd {root}\n  git init\n  make up")


def _system(name: str, _options: Namespace) -> None:
    _check_name(name)
    root = project()
    taken = [IPv4Network(found) for found in _ranges(root)]
    free = next((one for one in _RANGES if not any(one.overlaps(other) for other in taken)), None)
    if free is None:
        raise OperationError("No /16 from 10.60.0.0 on is free. Write the system file by hand.")
    made = _write(root, _SYSTEM, _values(name, name, free))
    say("\n".join((*(f"  {path}" for path in made), f"Next: make up STACK={name}")))


def _migration(description: str, options: Namespace) -> None:
    if re.search(r"[^A-Za-z0-9 .-]|__", description):
        raise WrongCall(f"{description!r}: a description is letters, digits, spaces, dots and hyphens.")
    root = project()
    folder = root / _migrations(root, options.system, options.database)
    path = folder / f"{_next(folder)}__{'_'.join(description.split())}.sql"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("x") as file:
        file.write(f"-- {description}\n")
    say(f"  {path.relative_to(root)}\nPut SQL into it. Then: make up")


_KINDS = {"system": _system, "migration": _migration}


def _values(system: str, stack: str, network: IPv4Network) -> dict[str, str]:
    database = system.replace("-", "_")
    option = "" if stack == "dev" else f" STACK={stack}"
    return {"system": system, "database": database, "stack": stack, "range": str(network), "option": option}


def _write(root: Path, files: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    """Writes the files with the values in the places of their names, all or none; returns their paths below root."""
    made = {_filled(path, values): _filled((_FILES / name).read_text(), values) for name, path in files.items()}
    there = [path for path in made if (root / path).exists()]
    if there:
        raise OperationError(f"{root} has {', '.join(there)} already. Nothing was written.")
    for path, text in made.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return list(made)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda found: values[found[1]], text)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise WrongCall(
            f"{name!r}: a name is lower-case letters, digits and single hyphens, begins with a letter and has up to "
            f"{_LONGEST_NAME} characters."
        )


def _systems(root: Path) -> dict[str, Any]:
    from trellis.settings.errors import SettingsError
    from trellis.settings.source import read

    paths = sorted((root / "systems").glob("*.yaml"))
    try:
        return {path.stem: read(path, name=f"systems/{path.name}").data for path in paths}
    except SettingsError as error:
        raise OperationError(str(error)) from None


def _ranges(root: Path) -> list[str]:
    return [str(system["network"]["ip_range"]) for system in _systems(root).values() if system.get("network")]


def _migrations(root: Path, system: str | None, database: str | None) -> Path:
    """The folder of a database's migrations, where the names that are given leave one database."""
    found = {
        (name, key): Path("migrations", (entry or {}).get("migrations") or f"{name}/{key}")
        for name, content in _systems(root).items()
        for cluster in (content.get("clusters") or {}).values()
        for key, entry in (cluster.get("databases") or {}).items()
    }
    fit = [one for one in found if system in (None, one[0]) and database in (None, one[1])]
    if len(fit) == 1:
        return found[fit[0]]
    names = ", ".join(f"--system {name} --database {key}" for name, key in (fit or found))
    raise WrongCall(f"{'Several databases fit' if fit else 'No database fits'}. Name one: {names or 'there is none'}.")


def _next(folder: Path) -> str:
    """How the next name begins, with the version after the highest one: V1.4.2 is followed by V1.5.0, V7 by V8."""
    from trellis.migrator import Kind, MigrationError, discover

    try:
        files = discover(folder) if any(folder.glob("**/*.sql")) else ()
    except MigrationError as error:
        raise OperationError(str(error)) from error
    if any(file.digest for file in files):
        raise OperationError(f"The migrations in {folder} are Drizzle's: `drizzle-kit generate` writes the next one.")
    versions = [file.version for file in files if file.version]
    if not versions:
        return "V1.0.0"
    names = [file.path.name for file in files if file.kind is Kind.VERSIONED]
    prefix = re.split(r"\d", names[0])[0] if names else "V"
    parts = [int(part) for part in versions[-1].split(".")]
    last = min(1, len(parts) - 1)
    return prefix + ".".join(map(str, (*parts[:last], parts[last] + 1, *(0 for _ in parts[last + 1 :]))))


def _requirements() -> list[str]:
    """How pip finds this program again: by version, or by the address that it was installed from."""
    try:
        lines = [_requirement(distribution("trellis"), "[backup,localcloud]")]
    except PackageNotFoundError:
        checkout = Path(__file__).resolve().parents[3]
        return [
            f"trellis[backup,localcloud] @ {checkout.as_uri()}",
            f"trellis-localcloud @ {(checkout / 'localcloud').as_uri()}",
        ]
    try:
        local = distribution("trellis-localcloud")
    except PackageNotFoundError:
        return lines
    # A version is what the extra asks for already.
    return [*lines, *([_requirement(local)] if local.read_text("direct_url.json") else [])]


def _requirement(installed: Distribution, extra: str = "") -> str:
    name = f"{installed.metadata['Name']}{extra}"
    told = installed.read_text("direct_url.json")
    if told is None:
        return f"{name}=={installed.version}"
    direct = json.loads(told)
    vcs = direct.get("vcs_info")
    address = f"{vcs['vcs']}+{direct['url']}@{vcs['commit_id']}" if vcs else direct["url"]
    below = f"#subdirectory={direct['subdirectory']}" if "subdirectory" in direct else ""
    return f"{name} @ {address}{below}"
