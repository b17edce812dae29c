"""`lreg build` beside BuildKit: files that are fetched."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tests.fakes.files import Files
from tests.server.commands.test_build_dockerfile import tar_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Beside

pytestmark = pytest.mark.client("BuildKit")


def test_the_same_image(beside: Beside, tmp_path: Path) -> None:
    """What is added from URLs has the names, modes and owners that BuildKit gives it."""
    archive = gzip.compress(tar_of([("inside", {"mode": 0o640})]), mtime=0)
    contents = {"/v1/tool": b"tool", "/a.tgz": archive, "/": b"a page"}
    with Files(contents, {"/moved": "/v1/tool"}) as files:
        text = f"""
            FROM scratch
            ARG VERSION=v1
            ADD {files.url}/$VERSION/tool /bin/
            ADD --chmod=755 --chown=5:6 {files.url}/moved?a=b /bin/other
            ADD {files.url}/a.tgz {files.url} file /packed/
            ADD --unpack=true {files.url}/a.tgz /un/
        """
        context = write(tmp_path / "c", text)
        ours, theirs = beside.ours(context), beside.theirs(context)
    assert ours.files == theirs.files
    assert ours.said() == theirs.said()
