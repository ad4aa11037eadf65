"""Checksums of edge files. Every expected number was printed by Flyway 13.0.0 for a file with that content."""

import pytest

from trellis.migrator.sql.text import checksum

BOM = "\ufeff"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", 0),
        ("select 1;", -690524359),
        ("select 1;\n", -690524359),
        ("a\r\nb", -1635563411),
        ("a\rb", -1635563411),
        ("a\nb", -1635563411),
        ("ab", -1635563411),
        ("a\r\r\n\n\rb", -1635563411),
        (BOM, 0),
        (BOM + "\n", 0),
        (BOM + "a\nb", -1635563411),
        (BOM + BOM + "a", 1069251642),
        ("\n" + BOM + "a", 1069251642),
        ("a\u2028b", 978390342),
        ("a\x0bb", -165895750),
        ("a\x0cb", -1185073283),
        ("a\x85b", -709009106),
        ("a\x1cb\x1db\x1eb", -1181298363),
        ("\u00e9\u4e2d\u6587", -1460451948),
        ("\U0001f600", 88978756),
        ("   a   ", -2122244548),
        ("\t", -1411492055),
        ("x" * 5000 + "\r\n" + "y" * 5000, 2037814309),
    ],
    ids=ascii,
)
def test_equals_flyways(content: str, expected: int) -> None:
    assert checksum(content.encode()) == expected
