"""YAML that is its owner's, edited: comments, order and quotes stay."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.util import load_yaml_guess_indent

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_NO_WRAPPING = 1 << 20


def parsed(text: str) -> Any:
    """Return what one YAML document means, as plain values; raise YAMLError."""
    return YAML(typ="safe", pure=True).load(text)


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """Return the text changed so that it means `wanted`.

    Args:
        text: valid YAML, a mapping.
        wanted: all that it means, and more, some with other values.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    yaml = YAML()
    yaml.preserve_quotes = True
    lines = text.replace("\r\n", "\n")
    document, indent, offset = load_yaml_guess_indent(lines, yaml=yaml)
    yaml.width = _NO_WRAPPING
    yaml.explicit_start = text.lstrip().startswith("---")
    yaml.indent(mapping=_step(document) or indent, sequence=indent, offset=offset)
    _sync(document, wanted, _shared(document))
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue().replace("\n", line_end)


def _step(document: CommentedMap) -> int:
    """Return by how many spaces a mapping stands further in than that it is in; 0: none does."""
    for key, child in document.items():
        if isinstance(child, CommentedMap) and child.lc.data and not child.fa.flow_style():
            outer, inner = document.lc.key(key)[1], child.lc.key(next(iter(child.lc.data)))[1]
            return int(inner - outer)
    return 0


def _shared(document: Any) -> set[int]:
    """Return the identities of what stands in several places, by aliases or merge keys."""
    once, more, pending = set[int](), set[int](), [document]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict | list):
            continue
        if id(node) in once:
            more.add(id(node))
        else:
            once.add(id(node))
            pending += node.values() if isinstance(node, dict) else node
    return more


def _sync(mapping: MutableMapping[str, Any], wanted: Mapping[str, Any], shared: set[int]) -> None:
    for key, value in wanted.items():
        now = mapping.get(key)
        if now == value and key in mapping:
            continue
        if id(now) in shared:
            # Changed in place it would change elsewhere as well.
            mapping[key] = value
        elif isinstance(value, dict) and isinstance(now, dict):
            _sync(now, value, shared)
        elif isinstance(value, list) and isinstance(now, list):
            for at, item in enumerate(value):
                if item not in now:
                    now.insert(at, item)
            if now != value:
                now[:] = value
        else:
            mapping[key] = value
