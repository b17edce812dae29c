"""YAML and JSON as plain trees that know their lines, read so that hostile files cost little.

Nothing is constructed of what tags name. An alias is the same object again, so that a bomb of them
stays small; who walks a tree has to visit an object once. A text that no image can be in is not
parsed at all, and a broken document does not hide the others of its file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self, Union, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ruamel.yaml.nodes import Node

MAX_DOCUMENT = 2 << 20
"""A document of more characters is not parsed: that would take a minute."""

# Of one file, so many characters and documents are parsed.
_MAX_PARSED = 8 * MAX_DOCUMENT
_MAX_DOCUMENTS = 5_000
_MAX_MERGED = 100_000
_MAX_FOLDERS = 50
# The parser's time for a line grows with the square of what is open in it.
_MAX_OPEN = 100
_BRACKET = re.compile(r"[\[\]{}\n]")
# YAML 1.2, 9.1.2: these at the beginning of a line are markers wherever they stand.
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=\s|$)", re.MULTILINE)
_DIRECTIVES = re.compile(r"(?:[ \t]*(?:[#%].*)?\n)*[ \t]*(?:[#%].*)?")
# Without one of these there is no image in a document, nor a part of its name.
_HINT = re.compile(
    r"image|repositor|registr|kubernetesVersion|[\w-]/[\w.-]{1,128}[:@]\w", re.IGNORECASE
)
_SCHEMA = re.compile(r"^kind:\s*[\"']?CustomResourceDefinition\b", re.MULTILINE)
_NULL = frozenset({"~", "null", "Null", "NULL"})


class Text(str):
    """A scalar as it is written, "" for null; it knows its line, from 1, or 0."""

    __slots__ = ("line",)
    line: int

    def __new__(cls, text: str, line: int = 0) -> Self:
        """Make it."""
        made = super().__new__(cls, text)
        made.line = line
        return made


Tree = Union[Text, "list[Tree]", "dict[str, Tree]"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.

    Attributes:
        line: where it begins, from 1.
        text: as it is written.
        tree: what it says; None where it was not parsed, because no image can be in it.
        broken: why it could not be parsed, or "".
    """

    line: int
    text: str
    tree: Tree | None = None
    broken: str = ""


def documents(text: str, line: int = 1) -> Iterator[Document]:
    """Yield the documents of a YAML or JSON text.

    Args:
        text: all of it.
        line: of its first character.
    """
    if text[:1] in "{[" and (parsed := _json(text)) is not None:
        yield Document(line, text, parsed)
        return
    counted, left, done = 0, _MAX_PARSED, 0
    for start, chunk in _chunks(text):
        line += text.count("\n", counted, start)
        counted = start
        if done == _MAX_DOCUMENTS:
            why = f"{_MAX_DOCUMENTS} documents before it are all that are parsed of a file"
            yield Document(line, text[start:], broken=why)
            return
        document = _document(chunk, line, left)
        if document.tree is not None:
            left -= len(chunk)
            done += 1
        yield document


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Yield each document's text and its offset."""
    bounds = [0, *(match.start() for match in _MARKER.finditer(text)), len(text)]
    start = 0
    for begin, end in pairwise(bounds):
        # Directives belong to the document that follows.
        if begin == start and _DIRECTIVES.fullmatch(text, begin, end) and "%" in text[begin:end]:
            continue
        if text[start:end].strip():
            yield start, text[start:end]
        start = end


def _document(chunk: str, line: int, left: int) -> Document:
    if not _HINT.search(chunk) or _SCHEMA.search(chunk):
        return Document(line, chunk)
    if len(chunk) > MAX_DOCUMENT:
        return Document(line, chunk, broken=f"it has more than {MAX_DOCUMENT >> 20} MiB")
    if len(chunk) > left:
        why = f"{_MAX_PARSED >> 20} MiB before it are all that is parsed of a file"
        return Document(line, chunk, broken=why)
    try:
        return Document(line, chunk, parse(chunk, line))
    except UsageError as error:
        return Document(line, chunk, broken=str(error))


def parse(text: str, line: int = 1) -> Tree | None:
    """Return the tree of one YAML document; None where there is nothing in it.

    Raises:
        UsageError: it is not YAML, or nothing that people write.
    """
    if _is_deep(text):
        raise UsageError("it is nested too deeply")
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        # A document's end marker may stand first.
        node = yaml.compose(text.removeprefix("..."))
        return _Trees(line).of(node) if node else None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + line}: " if mark else ""
        words = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise UsageError(f"it is not YAML: {where}{words}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"it is not YAML: {error}") from None
    except RecursionError:
        raise UsageError("it is nested too deeply") from None


def _is_deep(text: str) -> bool:
    depth = 0
    for match in _BRACKET.finditer(text):
        depth = 0 if match[0] == "\n" else max(depth + (1 if match[0] in "[{" else -1), 0)
        if depth > _MAX_OPEN:
            return True
    return False


def of_plain(value: object) -> Tree:
    """Return the tree of what `json.loads` returns; it knows no lines."""
    if isinstance(value, dict):
        return {str(key): of_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [of_plain(item) for item in value]
    if value is None:
        return Text("")
    return Text(json.dumps(value) if isinstance(value, bool) else str(value))


def mapping_at(tree: Tree | None, key: str) -> dict[str, Tree]:
    """Return the mapping that a mapping has under a key; an empty one where it has none there."""
    value = tree.get(key) if isinstance(tree, dict) else None
    return value if isinstance(value, dict) else {}


def text_at(tree: Tree | None, key: str) -> Text:
    """Return the text that a mapping has under a key; "" where it has none there."""
    value = tree.get(key) if isinstance(tree, dict) else None
    return value if isinstance(value, Text) else Text("")


def nested(values: Mapping[str, Text]) -> dict[str, Tree]:
    """Return values that are set by their ways as the tree that they make together."""
    tree: dict[str, Tree] = {}
    for name, value in values.items():
        *folders, last = name.split(".", _MAX_FOLDERS)
        at = tree
        for folder in folders:
            below = at.setdefault(folder, {})
            at = below if isinstance(below, dict) else {}
        at[last] = value
    return tree


def _json(text: str) -> Tree | None:
    try:
        return of_plain(json.loads(text))
    except (ValueError, RecursionError):
        return None


class _Trees:
    """Makes trees of nodes, each once."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._made: dict[int, Tree] = {}
        self._merged = 0

    def of(self, node: Node) -> Tree:
        """Return the tree of a node."""
        if (made := self._made.get(id(node))) is not None:
            return made
        if isinstance(node, MappingNode):
            return self._mapping(node)
        if isinstance(node, SequenceNode):
            items: list[Tree] = []
            self._made[id(node)] = items
            items += map(self.of, node.value)
            return items
        return self._text(cast("ScalarNode", node))

    def _text(self, node: ScalarNode) -> Text:
        is_null = node.style is None and node.value in _NULL
        line = node.start_mark.line + self._line
        made = self._made[id(node)] = Text("" if is_null else str(node.value), line)
        return made

    def _mapping(self, node: MappingNode) -> dict[str, Tree]:
        fields: dict[str, Tree] = {}
        self._made[id(node)] = fields
        merged: list[Tree] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                continue
            if key.value == "<<" and key.style is None:
                made = self.of(value)
                merged += made if isinstance(made, list) else [made]
            else:
                fields[str(key.value)] = self.of(value)
        for other in merged:
            if isinstance(other, dict):
                self._merge(fields, other)
        return fields

    def _merge(self, fields: dict[str, Tree], other: dict[str, Tree]) -> None:
        self._merged += len(other)
        if self._merged > _MAX_MERGED:
            raise UsageError("its merged mappings have too many keys")
        for key, value in list(other.items()):
            fields.setdefault(key, value)
