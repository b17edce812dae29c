"""TOML is edited as a person would: what does not change keeps every character."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings

from lreg.node.merging.documents import edited
from lreg.node.merging.toml_scan import scan
from lreg.node.merging.values import combined
from lreg.node.plan import Merge
from tests.unit.node import people

CRI: dict[str, Any] = {"p": {"cri": {"registry": {"path": "/x"}}}}


def with_ours(own: str, ours: dict[str, Any]) -> str:
    """The text with ours in it."""
    return edited(own, Merge.TOML, combined(tomllib.loads(own), ours, "f"), "f")


@pytest.mark.parametrize(
    ("own", "after"),
    [
        ("# Mine\n", '# Mine\n\n[p.cri.registry]\npath = "/x"\n'),
        ('[p."cri".registry]\npath = "" # k\n', '[p."cri".registry]\npath = "/x" # k\n'),
        ("[p.cri.registry] # k\n", '[p.cri.registry] # k\npath = "/x"\n'),
        (
            "[p.cri.registry.b]\nc = 1\n[p.cri]\nd = 2\n[q]\n",
            '[p.cri.registry.b]\nc = 1\n\n[p.cri.registry]\npath = "/x"\n\n[p.cri]\nd = 2\n[q]\n',
        ),
        (
            "[p]\n  [p.cri]\n    a = 1\n\n# Other\n[q]\n",
            '[p]\n  [p.cri]\n    a = 1\n\n  [p.cri.registry]\n    path = "/x"\n\n# Other\n[q]\n',
        ),
        ("[p.cri]\nregistry = {a = 1} # k\n", '[p.cri]\nregistry = {a = 1,path = "/x"} # k\n'),
        ("[p]\ncri.registry.a = 1\n", '[p]\ncri.registry.a = 1\ncri.registry.path = "/x"\n'),
        ("p.cri.registry.path = ''", 'p.cri.registry.path = "/x"\n'),
        ("[p]\r\n[p.cri.registry]\r\n", '[p]\r\n[p.cri.registry]\r\npath = "/x"\r\n'),
        (
            "[p.cri.registry]\na = '''\n[q]\npath = 1\n'''\nb = [ # ]\n  1,\n]\n",
            "[p.cri.registry]\na = '''\n[q]\npath = 1\n'''\nb = [ # ]\n  1,\n]\npath = \"/x\"\n",
        ),
    ],
)
def test_a_setting(own: str, after: str) -> None:
    """A setting goes where its table is, whatever the form of that; else a table is made."""
    assert with_ours(own, CRI) == after


HUB = {"location": "l/a", "insecure": True}
LINE = '{location = "l/a", insecure = true}'
ALL = {"registry": [{"location": "a", "mirror": [HUB]}, {"location": "c"}]}
C = '\n[[registry]]\nlocation = "c"\n'


@pytest.mark.parametrize(
    ("own", "after"),
    [
        (
            '[[registry]]\nlocation = "a"\nmirror = [{location = "x"}] # k\n',
            f'[[registry]]\nlocation = "a"\nmirror = [{LINE},{{location = "x"}}] # k\n{C}',
        ),
        (
            '[[registry]]\nlocation = "a"\nmirror = []\n',
            f'[[registry]]\nlocation = "a"\nmirror = [{LINE}]\n{C}',
        ),
        (
            'registry = [\n  # One\n  {location="a"}, # k\n  {location="b"}\n]\n',
            f"""\
registry = [
  # One
  {{location="a",mirror = [{LINE}]}}, # k
  {{location="b"}},
  {{location = "c"}}
]
""",
        ),
    ],
    ids=["mirrors", "no mirrors", "registries"],
)
def test_lists_of_tables_on_one_line(own: str, after: str) -> None:
    """Tables that stand within brackets get more of their kind there, ours first of the mirrors."""
    assert with_ours(own, ALL) == after


def test_a_table_within_brackets() -> None:
    """A table that stands there already gets what it lacks."""
    own = 'registry = [{location="a", mirror=[{location="l/a"}, {location="x"}]}]\n'
    after = with_ours(own, ALL)
    assert after.startswith('registry = [{location="a", mirror=[{location="l/a",insecure = true}')
    assert tomllib.loads(after)["registry"][0]["mirror"] == [HUB, {"location": "x"}]


def test_tables_of_arrays() -> None:
    """A new mirror is the first of its own registry, above the comment of the next one."""
    own = (
        '[[registry]]\nlocation = "a"\n# Theirs\n[[registry.mirror]]\nlocation = "x"\n\n'
        '[[registry]]\nlocation = "b"\n\n[aliases]\n'
    )
    ours = {
        "registry": [
            {"location": "b", "mirror": [{"location": "l/b"}]},
            {"location": "a", "mirror": [{"location": "l/a"}]},
            {"location": "c"},
        ]
    }
    assert with_ours(own, ours) == (
        '[[registry]]\nlocation = "a"\n\n[[registry.mirror]]\nlocation = "l/a"\n\n'
        '# Theirs\n[[registry.mirror]]\nlocation = "x"\n\n'
        '[[registry]]\nlocation = "b"\n\n[[registry.mirror]]\nlocation = "l/b"\n\n'
        '[[registry]]\nlocation = "c"\n\n[aliases]\n'
    )


def test_a_list_on_several_lines() -> None:
    """The comments between the items of a list stay."""
    own = 'l = [\n "x", # first\n # second\n "y"\n]\n'
    after = with_ours(own, {"l": ["lreg"]})
    assert after == 'l = [\n "lreg",\n "x", # first\n # second\n "y"\n]\n'


@settings(max_examples=min(60, settings().max_examples))
@given(people.config_toml() | people.registries_conf() | people.hosts_toml())
def test_all_is_found(text: str) -> None:
    """Every setting of a document is found, with its value, and nothing else is."""
    found = dict[str, Any]()
    for section in scan(text):
        for setting in section.settings:
            assert text[setting.begin : setting.end].count("=") >= 1
            value = tomllib.loads(text[setting.begin : setting.end])
            for key in setting.keys:
                value = value[key]
            found |= _leaves(value, setting.address)
    assert found == dict(_leaves(tomllib.loads(text), ()))


def _leaves(value: Any, at: tuple[str | int, ...]) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in _leaves(each, (*at, key))]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [leaf for n, each in enumerate(value) for leaf in _leaves(each, (*at, n))]
    return [(repr(at), value)]
