"""YAML that is its owner's, edited: comments, order and quotes stay."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
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
    document, indent, offset = load_yaml_guess_indent(text)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _NO_WRAPPING
    yaml.explicit_start = text.lstrip().startswith("---")
    yaml.indent(mapping=indent, sequence=indent, offset=offset)
    _sync(document, wanted)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _sync(mapping: MutableMapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        now = mapping.get(key)
        if isinstance(value, dict) and isinstance(now, dict):
            _sync(now, value)
        elif isinstance(value, list) and isinstance(now, list):
            for at, item in enumerate(value):
                if item not in now:
                    now.insert(at, item)
            if now != value:
                now[:] = value
        elif key not in mapping or now != value:
            mapping[key] = value
