"""The splitter held against PostgreSQL's own lexer and grammar, as pglast brings them."""

from pathlib import Path

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast.parser import ParseError, scan

from trellis.migrator.sql.splitter import SqlError, UnclosedSql, split

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = sorted((ROOT / "migrations").rglob("*.sql"))

COMMENTS = {"C_COMMENT", "SQL_COMMENT"}

HARD = [
    "SELECT 1; SELECT 2;",
    "INSERT INTO t VALUES (1,'a'); INSERT INTO t VALUES (2,'b');",
    "INSERT INTO t VALUES (1, 'a (;'), (2, E'\\';'), (3, '\\'), (4, 'it''s; so'), ((SELECT (1))); SELECT 2",
    "SELECT /* ; /* ' */ ; \" */ 1; /* last ; */ SELECT 2 -- ; '\n;",
    "SELECT $$ ; $a$ ' $$, $a$ $$ ; $b$ $a$, $é$;$é$; SELECT $1, a$b$c$b$ FROM t$1;",
    "SELECT E'a\\\\'; SELECT e'\\';' ; SELECT U&'\\0041;' ; SELECT U&\"d\\0061;\" ; SELECT B'01', x'F', N';';",
    "SELECT E'a'\n  '\\';'; SELECT E'a' -- '\n '\\';'; SELECT 'a'\n'\\'; SELECT 'a' -- ;\n -- '\n ';';",
    "SELECT E'a'\n--------------------------------------------------------------------\n;SELECT 2;",
    "SELECT E'a' /* c */ ; SELECT 1;",
    "SELECT 1--1;\n; SELECT 1 - - 1; SELECT 1/2/*;*/; SELECT @-1, a @-b, a*/*;*/b, a -/* ; */ b; SELECT a <-> b;",
    "SELECT * FROM t WHERE a ->> 'b;' = 'c' AND d @> '{\"e\": \";\"}' AND f !~ '\\d;' OR g ?| array['h;']; SELECT 2;",
    'SELECT "a;b", "say ""hi;""" FROM "t;"; SELECT élan, ü FROM größe; SELECT \'é;😀\'; SELECT "日;本";',
    "SELECT (((1))), ((')')), ('(' || \")\") FROM \")\"; SELECT a[1], b[2:3] FROM t; SELECT 1",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b WHERE c = (1)); SELECT 1;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC END; SELECT 1;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN CASE b WHEN 1 THEN 2. END END; END;"
    " SELECT 1;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT 2 AS case; SELECT t.case, t . end FROM t;"
    " END; SELECT 1;",
    "CREATE OR REPLACE PROCEDURE p(a int DEFAULT (1)) BEGIN ATOMIC SELECT a end; SELECT a[1].end FROM t;"
    " UPDATE t SET a = CASE WHEN x.end THEN .5 END; RETURN (SELECT b end); END; SELECT 1;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT a case; SELECT count(*) /* ; */ case -- ;\n FROM t;"
    " SELECT CASE WHEN a THEN b END case, .5 case, c[1] CASE UNION SELECT 'a' case INTO x; SELECT t.as, begin atomic,"
    " atomic end; SELECT CASE WHEN t.as THEN t.as END end, (SELECT a case FROM t), (SELECT b case); DELETE FROM t WHERE"
    " CASE WHEN a THEN b END RETURNING a end, b case; END;"
    " SELECT 1;",
    'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN b."x" END /* END; */ ; -- END;\n END;'
    " SELECT 1",
    "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1;'; CREATE TABLE atomic (\"end\" int); SELECT 1;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1; BEGIN; SELECT CASE WHEN a THEN 1 END; END;",
    "DO $do$ BEGIN PERFORM 1; IF true THEN NULL; END IF; END $do$; ;; -- c\n ; SELECT 1;",
    "\n\n ; SELECT 1\t;\f\r\n SELECT 2 \v",
    "",
    " -- nothing ;\n",
]


def ends(text: str) -> list[int]:
    """Where the splitter ends each statement, without its semicolon; what lies between is no statement."""
    found, rebuilt, position = [], "", 0
    for statement in split(text):
        between = text[position : statement.start]
        assert {token.name for token in scan(between)} <= {"ASCII_59"} | COMMENTS
        rebuilt += between + text[statement.start : statement.end]
        position = statement.end
        found.append(position - (scan(text[statement.start : position])[-1].name == "ASCII_59"))
    assert rebuilt + text[position:] == text
    return found


def parsed_ends(text: str) -> list[int]:
    """The same by PostgreSQL's grammar."""
    parsed = [(raw.stmt_location or 0, raw.stmt_len) for raw in pglast.parse_sql(text)]
    return [start + length if length else len(text) for start, length in parsed]


def scanned_ends(text: str) -> list[int]:
    """The same by PostgreSQL's lexer alone: statements end at semicolons outside parentheses."""
    found, depth, empty = [], 0, True
    for token in scan(text):
        if token.name in COMMENTS:
            continue
        if token.name == "ASCII_59" and not depth:
            found += [] if empty else [token.start]
            empty = True
            continue
        depth = max(depth + {"ASCII_40": 1, "ASCII_41": -1}.get(token.name, 0), 0)
        empty = False
    if depth:
        raise UnclosedSql("", 0)
    return found if empty else [*found, len(text)]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_committed_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    try:
        wanted = parsed_ends(text)
    except ParseError:
        # A placeholder stands where the grammar wants a name; the lexer does not mind.
        wanted = scanned_ends(text)
    assert ends(text) == wanted


@pytest.mark.parametrize("text", HARD)
def test_hard_cases(text: str) -> None:
    assert ends(text) == parsed_ends(text)


NAMES = st.sampled_from(["a", "é", '"x;"', '"say ""hi"""', "t$1", "s.t", "begin", "atomic", "e", "U"])
VALUES = st.sampled_from(
    [
        *("1", "1.5", ".5", "'a;'", "'it''s'", "'\\'", "E'\\';'", "E'a'\n'\\';'", "E'\\\\'", "U&'\\0041;'", "B'01'"),
        *("$$ ; ' $$", "$q$ $$; $q$", "'a' -- ;\n 'b;'", "NULL", "x'F'", "'日;'", "/* ; /* ' */ */ 2", "(SELECT ';')"),
    ]
)
EXPRESSIONS = st.recursive(
    VALUES | NAMES,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("f({}, {})".format, inner, inner),
        st.builds("{} - {}".format, inner, inner),
        st.builds("{}/ {}".format, inner, inner),
        st.builds("CASE WHEN {} THEN {} END".format, inner, inner),
        st.builds("CAST({}\n AS text)".format, inner),
    ),
    max_leaves=6,
)
QUERIES = st.one_of(
    st.builds("SELECT {}, {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("SELECT {} {} FROM t".format, EXPRESSIONS, st.sampled_from(["AS end", "AS case", "end", "case"])),
    st.builds("SELECT (SELECT {} case FROM t), (SELECT {} end)".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("SELECT DISTINCT ON (a) {} case, t.case, {} end".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("INSERT INTO {} VALUES ({}, {}), ({}, 1)".format, NAMES, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS),
    st.builds("UPDATE t SET a = {} WHERE {}".format, EXPRESSIONS, EXPRESSIONS),
)
STATEMENTS = st.one_of(
    QUERIES,
    st.builds("CREATE TABLE {} (a int DEFAULT {})".format, NAMES, EXPRESSIONS),
    st.builds("CREATE RULE r AS ON INSERT TO t DO ALSO ({}; {})".format, QUERIES, QUERIES),
    st.builds("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC {}; {}; END".format, QUERIES, QUERIES),
    st.builds("create or replace procedure {}() begin atomic {}; end".format, NAMES, QUERIES),
)
BETWEEN = st.sampled_from([";", ";\n", " ; ; ", "; -- c ; '\n", ";/* ; /* */ ' */", "\n-- c\n;"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(STATEMENTS, BETWEEN), max_size=5).map(lambda pairs: "".join(map("".join, pairs))))
def test_generated_statements(text: str) -> None:
    assert ends(text) == parsed_ends(text)


# What the splitter reads otherwise but no SQL has stays out: a dollar sign alone, a dollar quote right behind a number
# or another one.
FRAGMENTS = st.sampled_from(
    [
        *(
            "'",
            "''",
            '"',
            "$$ ",
            "$a$ ",
            "$1 ",
            "--",
            "/*",
            "*/",
            "-",
            "/",
            "*",
            "(",
            ")",
            ";",
            "\\",
            "\n",
            "\r",
            " ",
            "::",
        ),
        *("E'", "e'\\'", "U&'", "a", "E", "é", "1 ", ".", "SELECT ", "INSERT ", "CREATE ", "@", "{", "[", ",", "\t"),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(FRAGMENTS, max_size=25).map("".join))
def test_generated_tokens(text: str) -> None:
    unclosed, wanted = False, list[int]()
    try:
        wanted = scanned_ends(text)
    except UnclosedSql:
        unclosed = True
    except ParseError as error:
        # What else the lexer refuses, such as 1a, ends no statement.
        if not str(error).startswith("unterminated"):
            return
        unclosed = True
    try:
        found = ends(text)
    except UnclosedSql:
        assert unclosed
    except SqlError:
        assert "\\" in text
    else:
        assert not unclosed
        assert found == wanted
