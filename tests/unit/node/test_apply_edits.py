"""What the owner of a node edits after an apply is never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import LregError
from lreg.node import threeway
from lreg.node.hosts import hosts_block
from lreg.node.plan import Merge, NodeFile
from lreg.node.record import FOLDER
from tests.unit.node.nodes import DAEMON_JSON, HOSTS, apply, make, mirror_json, survey, undo

if TYPE_CHECKING:
    from pathlib import Path

OWN = '{\n  "debug": true,\n  "log-driver": "journald",\n  "data-root": "/srv"\n}\n'
HOSTS_TOML = "etc/containerd/certs.d/docker.io/hosts.toml"
MIRROR = 'server = "https://registry-1.docker.io"\n\n[host."http://10.0.0.1:5000"]\n'
SPOOFS = NodeFile(HOSTS, hosts_block(["quay.io"], "10.0.0.1"), Merge.HOSTS)


def edit(file: Path, old: str, new: str) -> None:
    """Edit a file as a person does."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_an_edit_stays(tmp_path: Path) -> None:
    """Undo takes out what lreg wrote, and an edit elsewhere in the file stays."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    apply(root, mirror_json())
    edit(tmp_path / DAEMON_JSON, "true", "false")
    undo(root)
    assert (tmp_path / DAEMON_JSON).read_text() == OWN.replace("true", "false")


def test_an_edit_stays_with_another_plan(tmp_path: Path) -> None:
    """An edit between two plans is part of what undo leaves; the first original is kept aside."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    apply(root, mirror_json())
    edit(tmp_path / DAEMON_JSON, "true", "false")
    apply(root, mirror_json("http://10.9.9.9:80"))
    assert "10.0.0.1" not in (tmp_path / DAEMON_JSON).read_text()
    assert "false" in (tmp_path / DAEMON_JSON).read_text()
    assert (tmp_path / FOLDER / "original" / DAEMON_JSON).read_text() == OWN
    undo(root)
    assert (tmp_path / DAEMON_JSON).read_text() == OWN.replace("true", "false")


def test_lines_after_the_block_stay(tmp_path: Path) -> None:
    """What is added to /etc/hosts after our lines, or before them, stays."""
    root = make(tmp_path, {HOSTS: "127.0.0.1 localhost\n"})
    apply(root, SPOOFS)
    text = (tmp_path / HOSTS).read_text()
    (tmp_path / HOSTS).write_text(f"10.1.1.1 early\n{text}10.1.1.2 late\n")
    undo(root)
    assert (tmp_path / HOSTS).read_text() == (
        "10.1.1.1 early\n127.0.0.1 localhost\n10.1.1.2 late\n"
    )


def test_an_edit_of_ours_is_refused(tmp_path: Path) -> None:
    """Where lreg's own lines were edited undo changes nothing at all, and says what to do."""
    root = make(tmp_path, {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost\n"})
    apply(root, mirror_json(), SPOOFS)
    edit(tmp_path / DAEMON_JSON, "10.0.0.1", "10.0.0.2")
    before = survey(root)
    refusal = r"daemon\.json was edited where lreg had written.*--force"
    with pytest.raises(LregError, match=refusal):
        undo(root)
    with pytest.raises(LregError, match=refusal):
        apply(root, SPOOFS)
    assert survey(root) == before
    undo(root, force=True)
    assert (tmp_path / DAEMON_JSON).read_text() == OWN


def test_our_lines_taken_out_by_hand(tmp_path: Path) -> None:
    """A person who takes lreg's lines out by hand has done what undo would do."""
    root = make(tmp_path, {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost\n"})
    before = survey(root)
    apply(root, mirror_json(), SPOOFS)
    (tmp_path / DAEMON_JSON).write_text(OWN)
    undo(root)
    assert survey(root) == before


def test_a_file_that_was_removed_stays_away(tmp_path: Path) -> None:
    """Undo does not bring back a file that its owner has removed since."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    apply(root, mirror_json(), SPOOFS)
    (tmp_path / DAEMON_JSON).unlink()
    (tmp_path / HOSTS).unlink()
    undo(root)
    assert not (tmp_path / DAEMON_JSON).exists()
    assert not (tmp_path / FOLDER).exists()


def test_a_host_added_to_our_file(tmp_path: Path) -> None:
    """A table that somebody added to a file of lreg's making stays, and its folder does."""
    root = make(tmp_path, {})
    apply(root, NodeFile(HOSTS_TOML, MIRROR, Merge.TOML))
    with (tmp_path / HOSTS_TOML).open("a") as file:
        file.write('[host."https://mirror.corp"]\n')
    undo(root)
    assert (tmp_path / HOSTS_TOML).read_text() == '[host."https://mirror.corp"]\n'


def test_a_file_added_to_our_folder(tmp_path: Path) -> None:
    """A folder of lreg's making stays if somebody put a file into it."""
    root = make(tmp_path, {})
    apply(root, NodeFile(HOSTS_TOML, MIRROR, Merge.TOML))
    (tmp_path / HOSTS_TOML).with_name("ca.crt").write_text("CA\n")
    undo(root)
    assert not (tmp_path / HOSTS_TOML).exists()
    assert (tmp_path / HOSTS_TOML).with_name("ca.crt").read_text() == "CA\n"


def test_lines_that_change_their_meaning(tmp_path: Path) -> None:
    """An edit that would mean something else without our lines is refused, not kept by letter."""
    root = make(tmp_path, {HOSTS_TOML: '[host."https://mirror.corp"]\n'})
    apply(root, NodeFile(HOSTS_TOML, '[host."http://10.0.0.1:5000"]\n', Merge.TOML))
    text = (tmp_path / HOSTS_TOML).read_text()
    first, second = text.split('[host."https://mirror.corp"]')
    (tmp_path / HOSTS_TOML).write_text(
        f'{first}skip_verify = true\n[host."https://mirror.corp"]{second}'
    )
    with pytest.raises(LregError, match="was edited where lreg had written"):
        undo(root)


_LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n"]), max_size=12).map(b"".join)


@given(_LINES, _LINES)
def test_a_change_without_another(base: bytes, other: bytes) -> None:
    """With changes on one side only, that side is the outcome."""
    assert threeway.merge(base, base, other) == other
    assert threeway.merge(base, other, base) == other
    assert threeway.merge(base, other, other) == other


@given(_LINES, _LINES, _LINES, _LINES)
def test_changes_apart(head: bytes, middle: bytes, one: bytes, other: bytes) -> None:
    """Changes on both sides, with a line between them, are both in the outcome."""
    base = head + b"=\n" + middle
    # Unlike what is around them, so that there is one way to see what changed.
    one, other = one.upper(), other.upper()
    assert threeway.merge(base, one + base, base + other) == one + base + other
