"""Whether roles hold what the files give them, found by building the schema from the files on a throw-away server."""

from collections.abc import Iterable, Iterator, Mapping

from trellis.migrator import MigrationError, discover
from trellis.monitoring.findings import Finding, Severity
from trellis.operations.check.shadow.entries import DumpError, Entry, dump
from trellis.operations.check.shadow.objects import objects
from trellis.operations.check.shadow.run import run_chain
from trellis.operations.check.shadow.server import Servers
from trellis.operations.databases import Sources
from trellis.operations.status.ways import Way

_KINDS = ("grants", "default grants")
_SHOWN = 3
# What an extension's own objects grant depends on who created it, and is not the files' matter.
_OF_EXTENSIONS = """
SELECT n.nspname || '.' || coalesce(c.relname, p.proname) FROM pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid
    JOIN pg_catalog.pg_namespace n ON n.oid IN (c.relnamespace, p.pronamespace)
WHERE d.deptype = 'e'
"""


def compare(servers: Servers, sources: Sources, way: Way) -> Iterator[Finding]:
    """A finding for every object of a database whose grants are others than its files give. It is only read."""
    try:
        with way.target.connect() as connection:
            there = _grants(dump(connection))
            foreign = {name for (name,) in connection.execute(_OF_EXTENSIONS)}
        outcome = run_chain(servers, sources, discover(sources.folder), None)
    except (DumpError, MigrationError) as error:
        yield _finding(sources.name, Severity.WARNING, f"grants were not compared: {error}", "trellis check --all")
        return
    if outcome.shadow is None or not outcome.shadow.complete:
        told = "; ".join(finding.message for finding in outcome.findings[:_SHOWN])
        yield _finding(sources.name, Severity.WARNING, f"grants were not compared: {told}", "trellis check --all")
        return
    given = {
        change.name: set((change.after or "").splitlines())
        for change in outcome.shadow.changes
        if change.kind in _KINDS
    }
    for name in sorted(given.keys() | there.keys()):
        if name.partition(" ")[2].partition("(")[0] in foreign:
            continue
        files, database = given.get(name, set()), there.get(name, set())
        for lines, word in ((files - database, "missing"), (database - files, "extra")):
            if lines:
                yield _finding(
                    f"{sources.name}, {name}",
                    Severity.WARNING,
                    f"{word}, by what the files give: {' '.join(sorted(lines)[:_SHOWN])}",
                    "Touch the repeatable file that grants, and deploy: it runs again"
                    if word == "missing"
                    else f"{_taken(sorted(lines)[0])} or put the grant into a file",
                )


def _taken(grant: str) -> str:
    return grant.replace("GRANT ", "REVOKE ", 1).replace(" TO ", " FROM ") if grant.startswith("GRANT") else grant


def _grants(entries: Iterable[Entry]) -> Mapping[str, set[str]]:
    return {one.name: set(one.definition.splitlines()) for one in objects(entries).values() if one.kind in _KINDS}


def _finding(where: str, severity: Severity, what: str, do: str) -> Finding:
    return Finding(name="grants", severity=severity, where=where, what=what, do=do)
