"""Killed, without space, without rights: a node is changed whole or not at all, and goes back."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import LregError
from lreg.node import placing
from lreg.node.placing import is_torn
from lreg.node.record import FOLDER, STATE
from lreg.node.rooted import Root
from tests.support.processes import clean_environment, run
from tests.unit.node.killed import FIRST, SECOND, STEPS
from tests.unit.node.nodes import DAEMON_JSON, HOSTS, apply, make, mirror_json, survey, undo

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = {DAEMON_JSON: '{"debug": true}', HOSTS: "127.0.0.1 localhost\n"}


def test_killed_at_every_step(tmp_path: Path) -> None:
    """An apply, a second one or an undo that is killed at any step leaves a node to be undone."""
    repository = Path(__file__).parents[3]
    env = clean_environment(tmp_path, PYTHONPATH=str(repository))
    argv = (sys.executable, "-m", "tests.unit.node.killed", str(tmp_path / "node"))
    said = run(*argv, env=env, cwd=repository)
    assert all(int(steps) > 20 for steps in said.out.split())


def test_a_record_that_leads_out(tmp_path: Path) -> None:
    """A record in an image of somebody else's has no file outside of it written or removed."""
    outside = tmp_path / "etc"
    outside.write_text("theirs")
    root = make(tmp_path / "node", FILES)
    apply(root, mirror_json())
    state = tmp_path / "node" / STATE
    told = json.loads(state.read_text())
    for path in ("../etc", str(outside), "a/../../etc"):
        forged = {path: {"original": None, "written": ["theirs"]}}
        state.write_text(json.dumps(told | {"files": forged}))
        with pytest.raises(LregError, match="leads out of the node"):
            undo(root, force=True)
    state.write_text(json.dumps(told | {"folders": ["../gone"]}))
    with pytest.raises(LregError, match="leads out of the node"):
        undo(root)
    assert outside.read_text() == "theirs"


@pytest.mark.parametrize("link", [FOLDER, "var"])
def test_a_record_behind_a_link(tmp_path: Path, link: str) -> None:
    """Where a link in an image would have the record written elsewhere, nothing is."""
    outside = tmp_path / "outside"
    (outside / "lib/lreg-node").mkdir(parents=True)
    node = tmp_path / "node"
    (node / link).parent.mkdir(parents=True)
    (node / link).symlink_to(outside)
    with pytest.raises(LregError, match="lies behind a link"):
        apply(Root(node), mirror_json())
    with pytest.raises(LregError, match="lies behind a link"):
        undo(Root(node))
    assert not [path for path in outside.rglob("*") if path.is_file()]


class Failing:
    """The module `os`, of which one change of the disk fails."""

    def __init__(self, step: int, code: int) -> None:
        self.step, self.code, self.count = step, code, 0

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        return self.counted(function) if name in STEPS else function

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, failing when its turn has come."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if function is not os.open or args[1] & os.O_CREAT:
                self.count += 1
                if self.count == self.step:
                    raise OSError(self.code, os.strerror(self.code))
            return function(*args, **kwargs)

        return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("again", [False, True])
def test_an_error_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, again: bool
) -> None:
    """Whatever can't be written, one line says so, and the node is as it was, or it is done."""
    refused = 0
    for step in itertools.count(1):
        root = make(tmp_path / str(step), FILES)
        first = survey(root)
        if again:
            apply(root, *FIRST)
        before = survey(root)
        failing = Failing(step, code)
        with monkeypatch.context() as patch:
            patch.setattr(placing, "os", failing)
            try:
                apply(root, *(SECOND if again else FIRST))
            except LregError as error:
                refused += 1
                assert os.strerror(code) in str(error)
                assert "\n" not in str(error)
                assert survey(root) == before
                assert again or not os.path.lexists(root.absolute(FOLDER))
        undo(root)
        assert survey(root) == first
        if failing.count < step:
            break
    assert refused > 10


def test_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its owner made read-only is left alone, with a word on what to do."""
    root = make(tmp_path, FILES)
    before = survey(root)
    # For root no file is, but on a disk that is.
    monkeypatch.setattr(os, "access", lambda path, _: not path.endswith(DAEMON_JSON))
    with pytest.raises(LregError, match=r"daemon\.json is read-only"):
        apply(root, *FIRST)
    assert survey(root) == before


def test_somebody_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that somebody edits while lreg is at it keeps that edit, and nothing is changed."""
    root = make(tmp_path, FILES)
    file = tmp_path / DAEMON_JSON
    write_own = placing.write_own

    def edit(*args: Any) -> None:
        write_own(*args)
        file.write_text('{"debug": false}')

    monkeypatch.setattr(placing, "write_own", edit)
    with pytest.raises(LregError, match="changed by somebody: try again"):
        apply(root, mirror_json())
    assert file.read_text() == '{"debug": false}'
    assert not (tmp_path / FOLDER).exists()


@given(st.binary(max_size=30), st.binary(max_size=30), st.data())
def test_a_torn_file_is_known(before: bytes, after: bytes, data: st.DataObject) -> None:
    """What a file written in place can hold after a crash, byte by byte, is taken for ours."""
    whole = before + after[len(before) :]
    if len(whole) > len(before):
        end = data.draw(st.integers(len(before) + 1, len(whole)))
        assert is_torn(whole[:end], before, after)
    at = data.draw(st.integers(0, len(after)))
    assert is_torn(after[:at] + whole[at:], before, after)


def test_an_edit_is_not_torn() -> None:
    """What somebody wrote is no crash of ours."""
    assert not is_torn(b"a\nmine\n", b"a\n", b"a\nours\n")
    assert not is_torn(b"mine\na\nours\n", b"a\n", b"a\nours\n")
