"""What .dockerignore leaves out; what Docker makes of the same is in tests/clients."""

from __future__ import annotations

import fnmatch
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import UsageError
from lreg.images.building.context.ignore import Ignore
from lreg.images.building.context.patterns import name_pattern, path_pattern

NAMES = st.text(string.ascii_lowercase + ".-_", min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("*.md\n!README.md", ["a.md", "b.md"], ["README.md", "docs/a.md"]),
        ("**/*.md", ["a.md", "x/y/a.md"], ["a.txt"]),
        ("docs\n!docs/keep", ["docs", "docs/a", "docs/a/b"], ["docs/keep", "docs/keep/x"]),
        ("*\n!src", ["a", "a/b"], ["src", "src/x"]),
        ("/top", ["top", "top/x"], ["a/top"]),
        ("  spaced  \n\n# comment\n", ["spaced"], ["# comment", "comment"]),
        ("a?c\n[x-z]1\n[^a]2", ["abc", "y1", "b2"], ["a/c", "ac", "w1", "a2"]),
        ("**/node_modules", ["node_modules", "a/b/node_modules/x"], ["node_modules2"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["az", "a/zz"]),
        ("deep/**", ["deep/a", "deep/a/b"], ["deep", "deeper"]),
        ("a/../b\n./c/", ["b", "c", "c/d"], ["a"]),
        (r"\*", ["*"], ["a"]),
        ("x\r\ny\r\n", ["x", "y"], []),
        ("\ufeffbom", ["bom"], []),
        ("!a\na", ["a"], []),
    ],
)
def test_rules(rules: str, ignored: list[str], kept: list[str]) -> None:
    """The last rule that matches a path or a folder above it decides."""
    ignore = Ignore.parse(rules)
    assert [path for path in ignored if not ignore.ignores(path)] == []
    assert [path for path in kept if ignore.ignores(path)] == []


@pytest.mark.parametrize("rule", ["[a", "!", "[]", "[^"])
def test_what_is_no_pattern(rule: str) -> None:
    """A rule that makes no sense is an error."""
    with pytest.raises(UsageError):
        Ignore.parse(rule)


@given(PATHS)
def test_a_path_names_itself(path: str) -> None:
    """Every path is a rule for itself and for all below it, and for nothing beside it."""
    ignore = Ignore.parse(path)
    assert ignore.ignores(path)
    assert ignore.ignores(f"{path}/x")
    assert not ignore.ignores(f"{path}x")
    assert not Ignore.parse(f"{path}\n!{path}").ignores(path)


@given(st.lists(PATHS.map(lambda path: path.replace("a", "*")), max_size=4), PATHS)
def test_exceptions_undo_rules(rules: list[str], path: str) -> None:
    """Whatever rules leave out, the same rules with `!` bring back."""
    there = "\n".join([*rules, *(f"!{rule}" for rule in rules)])
    assert not Ignore.parse(there).ignores(path)


@given(st.text("ab*?-^].", max_size=8), st.text("ab^-].", min_size=1, max_size=8))
def test_names_as_everywhere(pattern: str, name: str) -> None:
    """Patterns of one name match what Python's own `fnmatch` matches."""
    matches = name_pattern(pattern).fullmatch(name)
    assert bool(matches) == fnmatch.fnmatchcase(name, pattern)


@given(st.text("ab*?/", min_size=1, max_size=12), st.text("ab/", min_size=1, max_size=10))
def test_paths_as_plain_expressions(pattern: str, path: str) -> None:
    """However a pattern is put together, it matches what its parts one after the other do."""
    parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]", "/": "/"}
    loose = re.sub(r"\*{2,}/?", "**/", pattern)
    ended = loose.removesuffix("**/") if re.search(r"\*\*/?$", pattern) else ""
    plain = (ended or loose) if ended or not loose.startswith("**/") or loose != "**/" else ""
    regex = re.sub(r"\*\*/|[*?/]", lambda found: parts[found[0]], plain)
    regex += ".*" if ended or not plain else ""
    try:
        matches = path_pattern(pattern).fullmatch(path)
    except UsageError:
        return
    assert bool(matches) == bool(re.fullmatch(regex, path)), regex


@pytest.mark.parametrize(
    "rule",
    [
        "**/" * 50 + "*a" * 50 + "b",
        "**/a/" * 50 + "b",
        "a**" * 2 + "b",
        "*a" * 100 + "/" + "*a" * 100 + "b",
        "**/*a*a*a*a/" * 20 + "b",
    ],
)
def test_a_rule_that_matches_everywhere(rule: str) -> None:
    """A rule with stars without end is decided as quickly as any other."""
    ignore = Ignore.parse(rule)
    assert not ignore.ignores("a" * 200)
    assert not ignore.ignores("/".join(["aaaa"] * 200))
    assert not ignore.ignores("/".join(["a"] * 200))
