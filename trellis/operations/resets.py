"""Starting a development database anew."""

from dataclasses import replace

from trellis.migrator import Contents, MigrationError, Options, Report, admit, clean, contents, discover, migrate
from trellis.operations.databases import Database

# As the deployment does it (components/migrations.py).
SEED_HISTORY = "seed_history"
SEED_BASELINE = "0"


def lost(database: Database) -> Contents:
    """What a reset would delete. Raises MigrationError in production, and when the database cannot be reached."""
    _refuse_production(database)
    return contents(database.target)


def reset(database: Database, options: Options) -> Report:
    """Empties the database, applies its migrations and, where the stack has it, its test data.

    The files are read first: what cannot be applied for a reason that shows in them leaves the database as it is.
    Raises MigrationError in production, when the database cannot be reached, and when a migration fails.
    """
    _refuse_production(database)
    sources = database.sources
    for folder in (sources.folder, sources.seeds):
        if folder:
            discover(folder)
    clean(database.target, options)
    report = migrate(database.target, sources.folder, sources.placeholders, options)
    if database.reviewer:
        # Its rights went with the history.
        admit(database.target, database.reviewer)
    if sources.seeds:
        seeded = replace(options, baseline_version=SEED_BASELINE)
        migrate(database.target.with_table(SEED_HISTORY), sources.seeds, sources.placeholders, seeded)
    return report


def _refuse_production(database: Database) -> None:
    if database.sources.production:
        raise MigrationError(
            "This stack is production (trellis:environment), where nothing is reset. `trellis rescue` brings rows of"
            " the past back, `trellis restore` a whole database of a backup.",
            state="Nothing was changed.",
        )
