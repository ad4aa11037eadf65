"""Settings in the comments at a migration's head."""

import pytest

from tests.migrator.unit.test_plan import file
from trellis.migrator import MigrationError
from trellis.migrator.sql.comments import Comments
from trellis.migrator.sql.script import prepare, survey


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1;", Comments()),
        ("-- trellis: no-transaction\nSELECT 1;", Comments(no_transaction=True)),
        ("\r\n/* why */ -- x\r\n  --trellis:lock_timeout=500ms\r\nSELECT 1;", Comments(lock_timeout=0.5)),
        (
            "-- trellis: lock_timeout=2min, statement_timeout=0\n-- trellis: no-transaction",
            Comments(no_transaction=True, lock_timeout=120, statement_timeout=0),
        ),
        ("-- trellis: statement_timeout=1.5h\nSELECT '-- trellis: nonsense';", Comments(statement_timeout=5400)),
        ("-- trellis-ignore some-rule\n-- see trellis: it says so\nSELECT 1;", Comments()),
    ],
)
def test_settings(sql: str, found: Comments) -> None:
    assert survey(file("V1__x", sql), {}).comments == found
    assert survey(file("V1__x", sql), {}).transactional is not found.no_transaction
    assert prepare(file("V1__x", sql), {}).comments == found


@pytest.mark.parametrize(
    ("sql", "line", "column", "says"),
    [
        ("-- trellis: notransaction", 1, 13, "'notransaction' is not a setting"),
        ("\n-- trellis: lock_timeout=10", 2, 13, "not '10'"),
        ("-- trellis: lock_timeout", 1, 13, "lock_timeout is a time such as 500ms"),
        ("-- trellis: no-transaction statement_timeout=90d", 1, 28, "can be 1ms to 24d"),
        ("-- trellis: lock_timeout=0.1ms", 1, 13, "can be 1ms to 24d"),
        ("SELECT 1;\n-- trellis: lock_timeout=10s\nSELECT 2;", 2, 1, "has to stand above its first statement"),
        ("SELECT 1;\n-- trellis: no-transaction", 2, 1, "has to stand above its first statement"),
    ],
)
def test_settings_that_cannot_be(sql: str, line: int, column: int, says: str) -> None:
    with pytest.raises(MigrationError, match=says) as raised:
        survey(file("V1__x", sql), {})
    assert (raised.value.line, raised.value.column) == (line, column)
