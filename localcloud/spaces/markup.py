"""S3's XML: documents as nested pairs, and bodies read without their namespaces."""

from collections.abc import Sequence
from typing import TypeAlias
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from localcloud.spaces.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Node: TypeAlias = "tuple[str, str | int | Sequence[Node]]"


def document(root: str, content: str | int | Sequence[Node]) -> bytes:
    """An XML document. content: text, or the elements inside, in order."""
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    # Errors are in no namespace; clients do not find their codes otherwise.
    namespace = "" if root == "Error" else f' xmlns="{NAMESPACE}"'
    return f"{declaration}<{root}{namespace}>{_inside(content)}</{root}>".encode()


def flag(value: bool) -> str:
    """A boolean as S3 writes it."""
    return "true" if value else "false"


def parse(body: bytes, root: str) -> ElementTree.Element:
    """The root element, tags without namespace. Raises MalformedXML."""
    try:
        # Bodies are at most 1 MiB, and expat itself stops entities that grow without end.
        tree = ElementTree.fromstring(body)  # noqa: S314
    except ElementTree.ParseError as problem:
        raise S3Error("MalformedXML", f"The body is not XML: {problem}.") from problem
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    if tree.tag != root:
        raise S3Error("MalformedXML", f"The body must be a {root}, not a {tree.tag}.")
    return tree


def _inside(content: str | int | Sequence[Node]) -> str:
    if isinstance(content, str | int):
        return escape(str(content))
    return "".join(f"<{tag}>{_inside(inner)}</{tag}>" for tag, inner in content)
