"""Splitting SQL into statements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trellis.migrator.sql.splitter import SqlError, Statement, split


def pieces(text: str, conforming: bool = True) -> list[str]:
    return [text[statement.start : statement.end] for statement in split(text, conforming)]


WHOLE = [
    "SELECT 1;",
    "SELECT ';', 'it''s; so', '\\';",
    "SELECT E'a\\';b', e'\\\\';",
    "SELECT E'a'\n  ';\\';';",
    "SELECT U&'\\0041;', B'01', N'x;y';",
    'SELECT "a;b", "say ""hi;""";',
    "SELECT $$ ; ' $$, $a$ $$ ; $b$ $a$, $1;",
    "SELECT a$b$c, d FROM t$1;",
    "SELECT /* ; /* ' */ ; */ 1; ",
    "SELECT 1 -- ; ' not the end\n+ 2;",
    "SELECT 5*/* ; */2;",
    "SELECT 3-1, 8/2;",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b);",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;",
    "CREATE OR REPLACE PROCEDURE p(a int DEFAULT (1)) LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (a); END;",
    "create function begin() returns int language sql as 'select 1;';",
    "DO $do$ BEGIN PERFORM 1; IF true THEN NULL; END IF; END $do$;",
    "INSERT INTO élan VALUES ('ü;ö');",
    "VALUES ('a'), ('b;');",
]


@pytest.mark.parametrize("statement", WHOLE)
def test_one_statement_stays_whole(statement: str) -> None:
    assert pieces(statement) == [statement.rstrip()]


@given(st.lists(st.sampled_from(WHOLE), max_size=8), st.sampled_from(["", "\n", " ; ;\n", "-- c ;\n", "/* ; */"]))
def test_joined_statements_come_apart_again(statements: list[str], between: str) -> None:
    text = between + between.join(statements) + between
    assert pieces(text) == [statement.rstrip() for statement in statements]


@given(st.text(alphabet=st.sampled_from("a1 ;'\"$-/*()\\\nEe."), max_size=40))
def test_any_text_is_split_or_refused_at_a_place_in_it(text: str) -> None:
    refused: SqlError | None = None
    found: list[Statement] = []
    try:
        found = list(split(text))
    except SqlError as error:
        refused = error
    if refused is not None:
        assert 0 <= refused.offset < len(text)
        return
    places = [place for statement in found for place in (statement.start, statement.end)]
    assert places == sorted(places)
    gaps = zip([0, *(statement.end for statement in found)], [*(s.start for s in found), len(text)], strict=True)
    for start, end in gaps:
        assert not list(split(text[start:end]))


def test_without_a_last_semicolon() -> None:
    assert pieces("SELECT 1;\nSELECT 2 -- last\n") == ["SELECT 1;", "SELECT 2 -- last\n"]


def test_backslashes_when_strings_do_not_conform() -> None:
    text = "SELECT 'a\\';b'; SELECT 2;"
    assert pieces(text, conforming=False) == ["SELECT 'a\\';b';", "SELECT 2;"]
    assert pieces("SELECT 'a\\'; SELECT 2;") == ["SELECT 'a\\';", "SELECT 2;"]


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("SELECT 'abc;\n", 7, "string is never closed"),
        ("SELECT E'abc\\';", 8, "string is never closed"),
        ('SELECT "abc;', 7, "quoted identifier is never closed"),
        ("SELECT 1; /* /* */ SELECT 2;", 10, "comment is never closed"),
        ("SELECT $a$ x $b$;", 7, "a second $a$ is missing"),
        ("SELECT (1, (2);", 7, "parenthesis is never closed"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;", 0, "has no END"),
        ("SELECT 1;\n\\i other.sql\n", 10, "\\i is a command of psql"),
        ("\\restrict x7", 0, "newer pg_dump writes it"),
        ("\\d", 0, "only psql knows it"),
        ("SELECT 1;\nCOPY t (a, b) FROM stdin;\n1\tit's\n\\.\n", 10, "COPY ... FROM STDIN"),
        ("copy t from stdin with (format csv);\n1,2\n\\.\n", 0, "COPY ... FROM STDIN"),
        ("COPY (SELECT 1) TO STDOUT;", 0, "COPY ... TO STDOUT"),
    ],
)
def test_what_cannot_be_split(text: str, offset: int, says: str) -> None:
    with pytest.raises(SqlError) as raised:
        list(split(text))
    assert raised.value.offset == offset
    assert says in raised.value.message


def test_copy_from_a_file_is_left_to_the_server() -> None:
    assert pieces("COPY t FROM '/data/stdin';") == ["COPY t FROM '/data/stdin';"]


def test_the_head_of_a_statement() -> None:
    statement = next(split('/* c */ create unique index /* x */ concurrently if not exists "I 1" on ONLY s."T" (a)'))
    assert statement.head == (
        *("CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", "IF", "NOT", "EXISTS", '"I 1"', "ON", "ONLY"),
        *("S", ".", '"T"'),
    )


def test_ten_megabytes_on_one_line() -> None:
    row = "(1, 'some text; with a semicolon', now()),"
    text = "INSERT INTO t VALUES " + row * (10_000_000 // len(row)) + "(1, '', now()); SELECT 1;"
    assert [statement.end for statement in split(text)] == [len(text) - 10, len(text)]
