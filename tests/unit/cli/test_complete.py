"""What bash hands to a completion, and what it wants back."""

from __future__ import annotations

import pytest
from click.shell_completion import CompletionItem
from hypothesis import given
from hypothesis import strategies as st

from lreg.cli import root
from lreg.cli.registries.completing import ColonBash, join_at_colons

words = st.lists(st.text("ab/.-", min_size=1).filter(lambda word: ":" not in word), min_size=1)


@given(st.lists(words.map(":".join), min_size=1))
def test_joined_as_typed(typed: list[str]) -> None:
    """Words that bash broke at their colons are whole again."""
    broken: list[str] = []
    for word in typed:
        for part in word.split(":"):
            broken += [part, ":"]
        broken.pop()
    assert join_at_colons(broken) == typed


@pytest.mark.parametrize(
    ("typed", "index", "before", "incomplete", "shown"),
    [
        (["lreg", "inspect", "he"], 2, ["inspect"], "he", "hello:1"),
        (["lreg", "inspect", "hello", ":"], 3, ["inspect"], "hello:", "1"),
        (["lreg", "inspect", "hello", ":", "1"], 4, ["inspect"], "hello:1", "1"),
        (["lreg", "inspect", "hello:"], 2, ["inspect"], "hello:", "hello:1"),
        (["lreg", "copy", "a", ":", "1"], 5, ["copy", "a:1"], "", "hello:1"),
    ],
)
def test_bash_at_colons(
    monkeypatch: pytest.MonkeyPatch,
    typed: list[str],
    index: int,
    before: list[str],
    incomplete: str,
    shown: str,
) -> None:
    """Bash gets what it puts in place of the part after the last break, broken there or not."""
    monkeypatch.setenv("COMP_WORDS", "\n".join(typed))
    monkeypatch.setenv("COMP_CWORD", str(index))
    bash = ColonBash(root, {}, "lreg", "_LREG_COMPLETE")
    assert bash.get_completion_args() == (before, incomplete)
    assert bash.format_completion(CompletionItem("hello:1")) == f"plain,{shown}"
