"""registries.conf, the system's CAs, lists and tables: what node has which, and where ours go."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import LregError
from lreg.node import system_ca
from lreg.node.merging import json_text
from lreg.node.merging.documents import edited, meaning
from lreg.node.merging.values import combined
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtimes import files_for
from tests.unit.node.nodes import DAEMON_JSON, apply, make, mirror_json, plan, survey, undo

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.preparing import Prepared

MAIN = "etc/containers/registries.conf"
OURS = "etc/containers/registries.conf.d/50-lreg.conf"
LATER = "etc/containers/registries.conf.d/90-corp.conf"
MIRROR = {"location": "10.0.0.1:5000/docker.io", "insecure": True}


def tell(root: Path, files: dict[str, str]) -> Prepared:
    """Apply podman's mirrors to a node with these files, undo, and apply again."""
    node = make(root, files)
    before = survey(node)
    ours = files_for("podman", plan())
    apply(node, *ours, name="podman")
    undo(node)
    assert survey(node) == before
    return apply(node, *ours, name="podman")


def read(root: Path, path: str) -> dict[str, Any]:
    """What a file of TOML says."""
    return tomllib.loads((root / path).read_text())


def registry(values: dict[str, Any], location: str) -> list[dict[str, Any]]:
    """The tables of a registry."""
    return [each for each in values.get("registry", []) if each["location"] == location]


def test_the_same_prefix_elsewhere(tmp_path: Path) -> None:
    """A registry that the owner has settings for is edited there, and so only once in all."""
    own = '[[registry]]\nlocation = "docker.io" # all\n[[registry.mirror]]\nlocation = "corp/hub"\n'
    tell(tmp_path, {MAIN: own})
    (table,) = registry(read(tmp_path, MAIN), "docker.io")
    assert table["mirror"] == [MIRROR, {"location": "corp/hub"}]
    assert registry(read(tmp_path, OURS), "docker.io") == []
    assert registry(read(tmp_path, OURS), "10.0.0.1:5000")


def test_a_later_drop_in_wins(tmp_path: Path) -> None:
    """A drop-in that comes after ours would hide it: what it has is edited there."""
    own = (
        'unqualified-search-registries = ["quay.io"]\nshort-name-mode = "enforcing"\n'
        '[[registry]]\nprefix = "docker.io"\nlocation = "corp/hub"\n'
    )
    tell(tmp_path, {LATER: own, MAIN: own})
    found = read(tmp_path, LATER)
    assert found["unqualified-search-registries"][0] == "10.0.0.1:5000"
    assert found["unqualified-search-registries"][-1] == "quay.io"
    assert found["short-name-mode"] == "disabled"
    assert found["registry"] == [
        {"prefix": "docker.io", "location": "corp/hub", "mirror": [MIRROR]}
    ]
    assert (tmp_path / MAIN).read_text() == own


def test_the_first_form(tmp_path: Path) -> None:
    """A main file of version 1, which can't be mixed with the second, stays as it is."""
    own = "[registries.search]\nregistries = ['quay.io']\n"
    tell(tmp_path, {MAIN: own})
    assert (tmp_path / MAIN).read_text() == own
    names = read(tmp_path, OURS)["unqualified-search-registries"]
    assert names == ["10.0.0.1:5000", "docker.io", "quay.io"]


def test_a_mirror_for_digests_only(tmp_path: Path) -> None:
    """A setting that would keep tags from lreg is refused by its name, and nothing changes."""
    own = '[[registry]]\nlocation = "docker.io"\nmirror-by-digest-only = true\n'
    with pytest.raises(LregError, match=r"registries\.conf says mirror-by-digest-only of docker"):
        tell(tmp_path, {MAIN: own})
    assert (tmp_path / MAIN).read_text() == own


def test_a_longer_prefix(tmp_path: Path) -> None:
    """A note names what the owner has under an upstream's name, which lreg is not asked for."""
    done = tell(tmp_path, {MAIN: '[[registry]]\nlocation = "docker.io/corp"\n'})
    assert any("docker.io/corp" in note for note in done.notes)


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("usr/local/share/ca-certificates", ("update-ca-certificates", "--fresh")),
        ("etc/pki/ca-trust/source/anchors", ("update-ca-trust",)),
    ],
)
def test_the_ca_of_the_system(tmp_path: Path, folder: str, command: tuple[str, ...]) -> None:
    """A CA goes where this node's distribution looks, and its command is known."""
    node = make(tmp_path, {f"{folder}/corp.crt": "CORP\n"})
    before = survey(node)
    told = plan(mechanism=Mechanism.SPOOF_TLS, ca="CA\n")
    done = apply(node, *files_for("docker", told), told=told)
    assert (tmp_path / folder / "lreg.crt").read_text() == "CA\n"
    assert system_ca.commands(change.path for change in done.changes) == (command,)
    undo(node)
    assert survey(node) == before


def test_no_ca_no_command() -> None:
    """Other files need no command of the system."""
    assert system_ca.commands([DAEMON_JSON, "etc/hosts"]) == ()


@pytest.mark.parametrize(
    ("own", "after"),
    [
        ("{}", '{\n  "a": [1]\n}'),
        ('{"b": 2}', '{"b": 2, "a": [1]}'),
        ('{\n\t"b": 2\n}', '{\n\t"b": 2,\n\t"a": [1]\n}'),
        ('{"a": [], "b": {"c": [ 1,2 ]}}', '{"a": [1], "b": {"c": [ 1,2 ]}}'),
        ('{\n  "a": [\n    2\n  ]\n}', '{\n  "a": [\n    1\n  ]\n}'),
        ('{"a": 1, "a": [ 1 ]}', '{"a": 1, "a": [ 1 ]}'),
        ('{\r\n  "b": 2\r\n}', '{\r\n  "b": 2,\r\n  "a": [1]\r\n}'),
    ],
)
def test_json_by_hand(own: str, after: str) -> None:
    """JSON is edited as a person would: what does not change keeps every space."""
    assert json_text.edited(own, {**json.loads(own), "a": [1]}) == after


def test_both() -> None:
    """Tables come together; of a list our first comes first, and the owner's order stays."""
    theirs = {"t": {"a": 1, "b": 2}, "l": ["x", "y"], "n": None, "own": True}
    ours = {"t": {"b": 3, "c": 4}, "l": ["lreg", "y"], "n": {"z": 1}}
    assert combined(theirs, ours, "f") == {
        "t": {"a": 1, "b": 3, "c": 4},
        "l": ["lreg", "x", "y"],
        "n": {"z": 1},
        "own": True,
    }


def test_what_can_not_be_edited() -> None:
    """Whatever would not mean what is wanted is an error, with what to put in by hand."""
    for form, text in ((Merge.TOML, "a = 1\n"), (Merge.YAML, "a: 1\n")):
        with pytest.raises(LregError, match=r"lreg can't edit: put this into it by hand"):
            edited(text, form, {"b": 2}, "f")


def test_a_list_of_other_things() -> None:
    """A list that should be of tables, and is not, is the owner's to mend."""
    with pytest.raises(LregError, match=r"f: registry has other things than tables"):
        combined({"registry": ["a"]}, {"registry": [{"location": "b"}]}, "f")


def test_a_file_of_ours_is_whole(tmp_path: Path) -> None:
    """A file that is lreg's own is written whole; one that lay there comes back."""
    node = make(tmp_path, {"etc/x/lreg.crt": "OLD\n"})
    before = survey(node)
    apply(node, NodeFile("etc/x/lreg.crt", "NEW\n"), mirror_json())
    assert (tmp_path / "etc/x/lreg.crt").read_text() == "NEW\n"
    undo(node)
    assert survey(node) == before


def test_a_mirror_of_all_hosts(tmp_path: Path) -> None:
    """k3s' mirror of all hosts, which ours of one host hides, is asked after lreg."""
    path = "etc/rancher/k3s/registries.yaml"
    own = 'mirrors:\n  "*":  # all\n    endpoint: ["https://all.corp"]\n  quay.io:\n'
    node = make(tmp_path, {path: own})
    before = survey(node)
    apply(node, *files_for("k3s", plan("docker.io", "quay.io")), name="k3s")
    mirrors = meaning((tmp_path / path).read_text(), Merge.YAML, path)["mirrors"]
    for host in ("docker.io", "quay.io"):
        assert mirrors[host]["endpoint"] == ["http://10.0.0.1:5000", "https://all.corp"]
    assert mirrors["*"]["endpoint"] == ["https://all.corp"]
    undo(node)
    assert survey(node) == before
