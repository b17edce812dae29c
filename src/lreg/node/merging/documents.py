"""Documents of JSON, TOML and YAML: what they mean, and the same text with more in it."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from ruamel.yaml.error import YAMLError
from tomlkit.exceptions import TOMLKitError

from lreg.errors import LregError
from lreg.node.merging import json_text, toml_text, yaml_text
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PARSE: dict[Merge, Callable[[str], Any]] = {
    Merge.JSON: json.loads,
    Merge.TOML: tomllib.loads,
    Merge.YAML: yaml_text.parsed,
}
_EDIT: dict[Merge, Callable[[str, Mapping[str, Any]], str]] = {
    Merge.JSON: json_text.edited,
    Merge.TOML: toml_text.edited,
    Merge.YAML: yaml_text.edited,
}


def meaning(text: str, form: Merge, where: str) -> dict[str, Any]:
    """Return the values of a document; none of one that is empty.

    Args:
        text: the document.
        form: JSON, TOML or YAML.
        where: its path, for errors.

    Raises:
        LregError: it is no such document, or no table.
    """
    if not text.strip():
        return {}
    try:
        values = _PARSE[form](text)
    except (ValueError, YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise LregError(
            f"{where} is no valid {form.value.upper()} ({reason}): mend it or move it away"
        ) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise LregError(f"{where} holds no settings by name: mend it or move it away")
    return values


def edited(text: str, form: Merge, wanted: Mapping[str, Any], where: str) -> str:
    """Return the document with few changes so that it means `wanted`, which holds all it meant.

    Raises:
        LregError: it is written in a way that can't be edited; see `meaning` as well.
    """
    if meaning(text, form, where) == wanted:
        return text
    try:
        result = _EDIT[form](text, wanted)
        done = meaning(result, form, where) == wanted
    except (LregError, TOMLKitError, YAMLError, LookupError, TypeError, ValueError):
        done = False
        result = ""
    if not done:
        raise LregError(
            f"{where} is written in a way that lreg can't edit: put this into it by hand, "
            f"then apply again: {json.dumps(wanted)}"
        )
    return result
