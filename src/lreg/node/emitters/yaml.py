"""YAML as people write it: in the order given, texts of several lines as blocks."""

from __future__ import annotations

import io
from typing import Any


def to_yaml(*documents: Any) -> str:
    """Return the documents, of dicts, lists, texts, numbers and booleans, as one YAML text."""
    # `--help` and most runtimes need none of it.
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML()
    yaml.width = 1 << 16
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump_all([_blocks(each) for each in documents], stream)
    return stream.getvalue()


def _blocks(value: Any) -> Any:
    from ruamel.yaml.scalarstring import LiteralScalarString  # noqa: PLC0415

    if isinstance(value, dict):
        return {key: _blocks(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_blocks(each) for each in value]
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
