"""Where one SQL statement ends and the next begins, as PostgreSQL's own lexer and psql see it.

The rules are those of src/backend/parser/scan.l and src/fe_utils/psqlscan.l of PostgreSQL 17: quotes, escape strings,
dollar quotes, nested comments, parentheses (a rule's body holds semicolons) and BEGIN ATOMIC bodies.
"""

import re
import string
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

_HEAD = 32

# Only ASCII letters fold in a PostgreSQL identifier.
_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)

# What a word is not made of: every character beyond ASCII counts as a letter in PostgreSQL. Python compiles these short
# lists many times faster than a range of all letters.
_NO_LETTER = r"\x00-@\[-^`{-\x7f"
_NO_WORD = r"\x00-#%-/:-@\[-^`{-\x7f"
_TOKEN = re.compile(
    rf"""(?P<word>[^{_NO_LETTER}][^{_NO_WORD}]*)
    |(?P<blank>[ \t\n\r\f\v]+)
    |(?P<filler>[\x00-!\#%&*-,0-:<-@\[\]^`{{-\x7f]+(?:(?<=[0-9])\.)?)
    |(?P<dot>\.)
    |(?P<open>\()|(?P<close>\))
    |(?P<string>')|(?P<identifier>")|(?P<dollar>\$)
    |(?P<line_comment>--)|(?P<block_comment>/\*)
    |(?P<semicolon>;)
    |(?P<backslash>\\)
    |(?P<operator>.)""",
    re.VERBOSE | re.DOTALL,
)
# The same without words: enough once a statement's head is known. Plain strings and parentheses around nothing special,
# most of a long INSERT, are passed over in one go. A string after an E, and one with a backslash, may be neither.
#
# There is one way at most to read a text by these, so a match that fails has taken a number of steps in proportion to
# the text. They use nothing that `re` has learnt lately: possessive quantifiers misread on Debian 12's Python 3.11.
_PLAIN = r"""[^'"$\-/;()\\]"""
_MARK = r"""'(?<![eE]')[^'\\]*'|-(?!-)|/(?!\*)"""
_FLAT = rf"\({_PLAIN}*(?:(?:{_MARK}){_PLAIN}*)*\)"
_NESTED = rf"\({_PLAIN}*(?:(?:{_MARK}|{_FLAT}){_PLAIN}*)*\)"
_COARSE = re.compile(
    rf"""(?P<filler>(?:{_PLAIN}|{_MARK}|{_NESTED}){_PLAIN}*(?:(?:{_MARK}|{_NESTED}){_PLAIN}*){{0,64}})
    |(?P<open>\()|(?P<close>\))
    |(?P<string>')|(?P<identifier>")|(?P<dollar>\$)
    |(?P<line_comment>--)|(?P<block_comment>/\*)
    |(?P<semicolon>;)
    |(?P<backslash>\\)
    |(?P<operator>.)""",
    re.VERBOSE | re.DOTALL,
)
_WORD_CHARACTER = re.compile(rf"[^{_NO_WORD}]")
_DOLLAR_TAG = re.compile(rf"\$(?:[^{_NO_LETTER}][^{_NO_WORD}$]*)?\$")
_LINE_END = re.compile(r"[\r\n]")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE_EDGE = re.compile(r"[\\']")
# SQL joins two strings that a line end parts, with or without -- comments, and the second goes on by the first one's
# rules.
_CONTINUED = re.compile(r"[ \t\f\v]*(?:--[^\r\n]*)?[\r\n][ \t\f\v\r\n]*(?:--[^\r\n]*[\r\n][ \t\f\v\r\n]*)*'")

# What to do with a file whose text must stay.
LEGACY = (
    "A file that may have run somewhere already stays as it is: legacy=<its name> in the folder's migrations.conf has"
    " it run as Flyway runs it"
)

# Only these statements are looked at past their first word.
_STATEMENTS_OF_INTEREST = frozenset(
    "ABORT ALTER BEGIN CALL CLUSTER COMMIT COPY CREATE DISCARD DO DROP END PREPARE REINDEX RELEASE RESET ROLLBACK"
    " SAVEPOINT SET START VACUUM".split()
)

# The words that open and close a BEGIN ATOMIC body and the CASE expressions in it.
_BODY_EDGES = frozenset({"ATOMIC", "CASE", "END"})
# After these a word is a name, whatever it says.
_BEFORE_NAME = frozenset({"dot", "AS"})
# What no expression begins with: a CASE before one of these is no expression but the name of a column. A comma and a
# semicolon are of them, too.
_AFTER_NAME = frozenset(
    "FROM INTO WHERE GROUP HAVING WINDOW UNION INTERSECT EXCEPT ORDER LIMIT OFFSET FETCH FOR ON RETURNING".split()
)


class Statement(NamedTuple):
    """One statement.

    start: offset of its first character that is neither space nor comment.
    end: offset past its semicolon, or past the last character of the text.
    head: its first words outside parentheses, at most 32: unquoted ones in capitals, quoted identifiers with their
        quotes, dots for themselves; inside the parentheses of a REINDEX too. Only the first word for statements that
        need no second look.
    rows: offset of the rows that follow a COPY ... FROM STDIN, up to a line that says \\.; None without them.
    """

    start: int
    end: int
    head: tuple[str, ...]
    rows: int | None = None


class SqlError(Exception):
    """Text that cannot be split: message, and the offset where the trouble begins."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class UnclosedSql(SqlError):
    """Text that ends within a quote, a comment, a parenthesis or a body."""


def split(text: str, standard_conforming_strings: bool = True, legacy: bool = False) -> Iterator[Statement]:
    """The statements of a text, one after another; comments and lone semicolons are not statements.

    legacy: whether rows may follow a COPY ... FROM STDIN.
    Raises UnclosedSql for a quote, dollar quote, comment or parenthesis that is never closed, SqlError for a psql
    command and for another COPY that reads from or writes to the client: what follows it would not be SQL.
    """
    position = 0
    while position < len(text):
        statement, position = _next_statement(text, position, standard_conforming_strings)
        if statement is not None:
            if statement.head[:1] == ("COPY",):
                statement = _with_rows(text, statement, legacy)
                position = statement.end
            yield statement


def quiet(text: str) -> str:
    """A text with its comments and strings blanked; quoted identifiers and every offset stay.

    Raises UnclosedSql for a comment or a string that is never closed.
    """
    kept: list[str] = []
    position = 0
    while match := _TOKEN.match(text, position):
        kind, begin, position = match.lastgroup, position, match.end()
        if kind == "line_comment":
            found = _LINE_END.search(text, position)
            position = found.start() if found else len(text)
        elif kind == "block_comment":
            position = _past_comment(text, begin)
        elif kind == "string":
            position = _past_string(text, begin, True)
        elif kind == "dollar" and (end := _past_dollar(text, begin)) > position:
            position = end
        else:
            position = _past_identifier(text, begin) if kind == "identifier" else position
            kept.append(text[begin:position])
            continue
        kept.append(" " * (position - begin))
    return "".join(kept)


def _next_statement(text: str, position: int, conforming: bool) -> tuple[Statement | None, int]:
    """Read up to the next semicolon that ends a statement."""
    start = -1
    head: list[str] = []
    opened: list[int] = []
    body = 0
    previous: str | None = None
    pattern = _TOKEN
    while match := pattern.match(text, position):
        kind, begin, position = match.lastgroup, position, match.end()
        if kind == "blank":
            continue
        if kind == "line_comment":
            found = _LINE_END.search(text, position)
            position = found.end() if found else len(text)
            continue
        if kind == "block_comment":
            position = _past_comment(text, begin)
            continue
        if kind == "semicolon" and not opened and body == 0:
            return (None if start < 0 else Statement(start, position, tuple(head))), position
        if start < 0:
            start = begin
        before, previous = previous, kind
        if before == "CASE" and body and (match[0][0] in ",;" or match[0].translate(_CAPITALS) in _AFTER_NAME):
            body -= 1
        if kind == "word":
            word = match[0].translate(_CAPITALS)
            previous = "name" if word == "CASE" or before in _BEFORE_NAME else word
            if word in _BODY_EDGES and not opened and _has_body(head):
                depth = _body_depth(body, before, word)
                if depth > body:
                    # A statement follows, or the END of an empty body; what follows CASE tells whether it was a name.
                    previous = "semicolon" if word == "ATOMIC" else "CASE"
                body = depth
            if len(head) < _HEAD and (not opened or head[:1] == ["REINDEX"]):
                head.append(word)
            if head[:1] and (head[0] not in _STATEMENTS_OF_INTEREST or (len(head) == _HEAD and not _has_body(head))):
                pattern = _COARSE
        elif kind == "string":
            position = _past_string(text, begin, conforming)
        elif kind == "identifier":
            position = _past_identifier(text, begin)
            if not opened and len(head) < _HEAD:
                head.append(text[begin:position])
        elif kind == "dot":
            if not opened and len(head) < _HEAD:
                head.append(".")
        elif kind == "dollar":
            position = _past_dollar(text, begin)
        elif kind == "open":
            opened.append(begin)
        elif kind == "close" and opened:
            opened.pop()
        elif kind == "backslash":
            raise SqlError(_meta_command(text, begin), begin)
    if opened:
        raise UnclosedSql("this parenthesis is never closed", opened[-1])
    if body:
        raise UnclosedSql("the BEGIN ATOMIC body of this statement has no END after its last semicolon", start)
    return (None if start < 0 else Statement(start, len(text), tuple(head))), len(text)


def _with_rows(text: str, statement: Statement, legacy: bool) -> Statement:
    """A COPY with the rows that follow it, if any do."""
    pairs = list(pairwise(statement.head))
    if ("TO", "STDOUT") in pairs:
        raise SqlError(
            "COPY ... TO STDOUT sends rows to the client; a migration has nowhere to put them", statement.start
        )
    if ("FROM", "STDIN") not in pairs:
        return statement
    if not legacy:
        raise SqlError(
            "COPY ... FROM STDIN takes its rows from the client, which only psql and pg_restore can send. Write the"
            f" rows as INSERT (pg_dump --inserts does). {LEGACY}",
            statement.start,
        )
    first = text.find("\n", statement.end)
    if first >= 0 and (rest := text[statement.end : first].strip()) and not rest.startswith("--"):
        raise SqlError("The rows of a COPY ... FROM STDIN begin on the line after it", statement.end)
    last = first
    while last >= 0 and (last := text.find("\n\\.", last)) >= 0:
        found = text.find("\n", last + 1)
        end = len(text) if found < 0 else found + 1
        if text[last:end].strip() == "\\.":
            return Statement(statement.start, end, statement.head, first + 1)
        last = end - 1
    raise UnclosedSql("the rows of this COPY never end: a line that says \\. is missing", statement.start)


def _has_body(head: list[str]) -> bool:
    """Whether BEGIN ATOMIC may follow: in CREATE [OR REPLACE] FUNCTION or PROCEDURE."""
    kind = head[3:4] if head[1:3] == ["OR", "REPLACE"] else head[1:2]
    return head[:1] == ["CREATE"] and kind in (["FUNCTION"], ["PROCEDURE"])


def _body_depth(depth: int, before: str | None, word: str) -> int:
    """How deep in BEGIN ATOMIC and CASE blocks after this word.

    before: the word before it, or the kind of token. An END that ends a query of a body is a name too, as the
    body's own comes after a semicolon; whether CASE is one is seen by what follows it.
    """
    if word == "ATOMIC":
        return 1 if depth == 0 and before == "BEGIN" else depth
    if depth == 0 or before in _BEFORE_NAME:
        return depth
    if word == "CASE":
        return depth + 1
    return depth if depth == 1 and before != "semicolon" else depth - 1


def _past_comment(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnclosedSql("this comment is never closed: a */ is missing", start)


def _past_identifier(text: str, start: int) -> int:
    end = text.find('"', start + 1)
    if end < 0:
        raise UnclosedSql("this quoted identifier is never closed", start)
    return end + 1


def _past_string(text: str, start: int, conforming: bool) -> int:
    """The end of a string constant. A doubled quote reads as two strings in a row, which ends at the same place."""
    escapes = not conforming or _has_prefix_e(text, start)
    position = start + 1
    while True:
        if escapes:
            edge = _ESCAPE_EDGE.search(text, position)
            position = len(text) if edge is None else edge.start()
            if edge is not None and edge[0] == "\\":
                position += 2
                continue
        else:
            found = text.find("'", position)
            position = len(text) if found < 0 else found
        if position >= len(text):
            raise UnclosedSql("this string is never closed", start)
        position += 1
        if not escapes:
            return position
        if text.startswith("'", position):
            position += 1
            continue
        continued = _CONTINUED.match(text, position)
        if continued is None:
            return position
        position = continued.end()


def _has_prefix_e(text: str, quote: int) -> bool:
    if quote == 0 or text[quote - 1] not in "eE":
        return False
    return quote == 1 or _WORD_CHARACTER.match(text, quote - 2) is None


def _past_dollar(text: str, start: int) -> int:
    """Past a dollar-quoted string; past the sign alone where it starts none (a parameter, a part of a name)."""
    tag = _DOLLAR_TAG.match(text, start)
    if tag is None or (start > 0 and _WORD_CHARACTER.match(text, start - 1)):
        return start + 1
    end = text.find(tag[0], tag.end())
    if end < 0:
        raise UnclosedSql(f"this dollar-quoted string is never closed: a second {tag[0]} is missing", start)
    return end + len(tag[0])


def _meta_command(text: str, start: int) -> str:
    found = _LINE_END.search(text, start)
    command = text[start : found.start() if found else len(text)].split(maxsplit=1)[0]
    advice = {
        "\\.": "it ends the rows of a COPY ... FROM STDIN",
        "\\i": "put the included file's SQL here instead",
        "\\ir": "put the included file's SQL here instead",
        "\\c": "a migration works on one database",
        "\\connect": "a migration works on one database",
        "\\set": "use a placeholder, ${name}, instead",
        "\\copy": "write the rows as INSERT",
        "\\restrict": "newer pg_dump writes it; remove the line",
        "\\unrestrict": "newer pg_dump writes it; remove the line",
    }.get(command, "only psql knows it; remove it")
    return f"{command} is a command of psql, not SQL: {advice}"
