"""registries.yaml edited: what does not change keeps its quotes, indents, comments and aliases."""

from __future__ import annotations

import difflib

import pytest

from lreg.node.merging.documents import edited, meaning
from lreg.node.merging.values import combined
from lreg.node.plan import Merge

LREG = "http://10.0.0.1:5000"
OURS = {"mirrors": {host: {"endpoint": [LREG]} for host in ("docker.io", "quay.io")}}

PLAIN = """\
# Mirrors of this cluster
mirrors:
  docker.io:   # the hub
    endpoint:
      - "https://corp"   # second floor
  quay.io:
    endpoint:
      - 'https://quay.corp'
configs:
  "corp:5000":
    auth: {username: "u", password: 'p: #x'}
"""
NARROW = """\
mirrors:
    docker.io:
        endpoint:
        - "https://corp"
    quay.io: {endpoint: ["https://corp"]}
"""


def changed(text: str) -> str:
    """The text with lreg's mirrors in it; it means what both do."""
    wanted = combined(meaning(text, Merge.YAML, "f"), OURS, "f")
    result = edited(text, Merge.YAML, wanted, "f")
    assert meaning(result, Merge.YAML, "f") == wanted
    assert wanted["mirrors"]["docker.io"]["endpoint"][0] == LREG
    return result


def lost(old: str, new: str) -> list[str]:
    """The lines of one text that the other has not."""
    lines = difflib.ndiff(old.splitlines(), new.splitlines())
    return [line[2:] for line in lines if line.startswith("- ")]


@pytest.mark.parametrize("text", [PLAIN, PLAIN.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_every_line_stays(text: str) -> None:
    """Every line of its owner's is there, to the quotes and spaces; ours are more."""
    result = changed(text)
    assert lost(text, result) == []
    assert result.count("\r\n") == (result.count("\n") if "\r" in text else 0)


def test_other_indents() -> None:
    """Wide indents, and dashes right below their key, stay as they are."""
    assert lost(NARROW, changed(NARROW)) == ['    quay.io: {endpoint: ["https://corp"]}']
    assert f'endpoint: [{LREG}, "https://corp"]' in changed(NARROW)


@pytest.mark.parametrize(
    "text",
    [
        "mirrors:\n  docker.io: &m\n    endpoint:\n    - https://corp\n  ghcr.io: *m\n",
        "x: &m\n  endpoint: [https://corp]\nmirrors:\n  docker.io:\n    <<: *m\n  ghcr.io: *m\n",
        "mirrors:\n  docker.io:\n    endpoint: &e [https://corp]\n  ghcr.io:\n    endpoint: *e\n",
    ],
    ids=["tables", "merge keys", "lists"],
)
def test_aliases(text: str) -> None:
    """What stands in several places by an alias is changed only where it is to be."""
    values = meaning(changed(text), Merge.YAML, "f")
    assert values["mirrors"]["docker.io"]["endpoint"] == [LREG, "https://corp"]
    assert values["mirrors"]["ghcr.io"]["endpoint"] == ["https://corp"]


def test_an_alias_elsewhere() -> None:
    """Aliases in what does not change stay aliases."""
    text = PLAIN + "  a: &a {auth: {username: x}}\n  b: *a\n"
    assert lost(text, changed(text)) == []
