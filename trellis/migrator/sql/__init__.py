"""SQL reading: the files of a folder, their text with placeholders replaced, and the statements in it.

Most runs find nothing pending and look at no statement: what does is imported when it is first used.
"""

from typing import TYPE_CHECKING

from trellis.startup import late

from .files import Kind, MigrationFile, discover
from .journal import is_drizzle, read_journal
from .placeholders import placeholders_for

if TYPE_CHECKING:
    from .comments import Comments
    from .part import Part, parts
    from .script import Script, Survey, prepare, survey
    from .splitter import Statement, quiet
    from .statements import (
        DONE_BEFORE,
        IndexBuild,
        NonTransactional,
        commits,
        index_build,
        may_commit,
        non_transactional_kind,
        sets_session,
    )

__all__ = [
    "DONE_BEFORE",
    "Comments",
    "IndexBuild",
    "Kind",
    "MigrationFile",
    "NonTransactional",
    "Part",
    "Script",
    "Statement",
    "Survey",
    "commits",
    "discover",
    "index_build",
    "is_drizzle",
    "may_commit",
    "non_transactional_kind",
    "parts",
    "placeholders_for",
    "prepare",
    "quiet",
    "read_journal",
    "sets_session",
    "survey",
]

_HOMES = {
    ".comments": ("Comments",),
    ".part": ("Part", "parts"),
    ".script": ("Script", "Survey", "prepare", "survey"),
    ".splitter": ("Statement", "quiet"),
    ".statements": (
        "DONE_BEFORE",
        "NonTransactional",
        "IndexBuild",
        "commits",
        "index_build",
        "may_commit",
        "non_transactional_kind",
        "sets_session",
    ),
}

__getattr__ = late(__name__, _HOMES)
