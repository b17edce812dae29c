"""Helm templates read without Helm: the expressions that are a value, and what is around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.images.finding.trees import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.images.finding.trees import Tree

_EXPRESSION = re.compile(r"\{\{-?((?:[^{}]|\{[^{]){0,500}?)-?\}\}")
_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[^\s|()]+|[|()]')
# What no name has: what can't be known ends a name.
UNKNOWN = "\0"
_SAME = frozenset({"quote", "squote", "toString", "trim", "toYaml", "nospace"})
_VERB = re.compile(r"%[svdq]")


def rendered(line: str, values: Tree, chart: Tree) -> str:
    """Return a line of a template with what its expressions mean; UNKNOWN for the others.

    Known are `.Values` and `.Chart` fields, texts, `default`, `printf`, `quote` and the like.

    Args:
        line: of the template.
        values: the chart's.
        chart: what Chart.yaml says.
    """

    def value(match: re.Match[str]) -> str:
        words = _WORDS.findall(match[1])
        found = _pipeline(words, lambda path: _look_up(path, values, chart))
        return UNKNOWN if found is None else found

    return _EXPRESSION.sub(value, line)


def _pipeline(words: list[str], look_up: Callable[[str], str | None]) -> str | None:
    """Return what a pipeline gives, None where that can't be known."""
    result: str | None = None
    stage: list[str] = []
    stages: list[list[str]] = [stage]
    for word in words:
        if word == "|":
            stage = []
            stages.append(stage)
        elif word not in "()":
            stage.append(word)
    for number, each in enumerate(stages):
        result = _call(each, result if number else None, look_up)
        if result is None and number + 1 < len(stages) and stages[number + 1][:1] != ["default"]:
            return None
    return result


def _call(words: list[str], piped: str | None, look_up: Callable[[str], str | None]) -> str | None:
    """Return what one function or value gives."""
    if not words:
        return None
    name, *rest = words
    values = [_value(word, look_up) for word in rest] + ([piped] if piped is not None else [])
    if name in _SAME:
        return values[-1] if values else None
    if name in ("default", "coalesce"):
        # `default fallback value`: the value stands last.
        ordered = reversed(values) if name == "default" else values
        return next((value for value in ordered if value), None)
    if name == "required":
        return values[-1] if values else None
    if name == "printf" and values and values[0] is not None:
        return _printf(values[0], values[1:])
    return None if rest else _value(name, look_up)


def _printf(form: str, values: list[str | None]) -> str | None:
    if None in values or len(_VERB.findall(form)) != len(values):
        return None
    known = iter(values)
    return _VERB.sub(lambda _: next(known) or "", form)


def _value(word: str, look_up: Callable[[str], str | None]) -> str | None:
    if word[:1] in '"`':
        return word[1:-1]
    return look_up(word) if word.startswith((".", "$.")) else None


def _look_up(path: str, values: Tree, chart: Tree) -> str | None:
    _, root, *keys = path.removeprefix("$").split(".") if "." in path else ("", "")
    at: Tree | None = {"Values": values, "Chart": _capitalized(chart)}.get(root)
    for key in keys:
        at = at.get(key) if isinstance(at, dict) else None
    return str(at) if isinstance(at, Text) else None


def _capitalized(chart: Tree) -> Tree:
    # Helm's .Chart has the fields of Chart.yaml as Go spells them.
    if not isinstance(chart, dict):
        return {}
    return {f"{key[:1].upper()}{key[1:]}": value for key, value in chart.items()}
