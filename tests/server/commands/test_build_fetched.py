"""`lreg build` of Dockerfiles that add files from elsewhere."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tests.fakes.files import Files
from tests.server.commands.test_build_dockerfile import build, tar_of, write
from tests.support.flattened import File, flattened
from tests.support.images import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.wire import Wire

TOOL = b"#!/bin/sh\n" * 100_000
ARCHIVE = gzip.compress(tar_of([("inside", {"mode": 0o640})]), mtime=0)


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    """What Dockerfiles add."""
    contents = {"/v1/tool": TOOL, "/odd%20name.tgz": ARCHIVE, "/": b"a page", "/short": b"12345"}
    with Files(contents, {"/moved": "/v1/tool"}, frozenset({"/short"})) as served:
        yield served


def test_what_a_url_gives(lreg_here: Lreg, wire_here: Wire, files: Files, tmp_path: Path) -> None:
    """It goes by its name into a folder, or becomes the target; root's alone, unless said so."""
    text = f"""
        FROM scratch
        ARG VERSION=v1
        ADD {files.url}/$VERSION/tool /bin/
        ADD --chmod=755 --chown=5:6 {files.url}/moved?a=b /bin/other
        ADD --checksum={sha256(TOOL)} {files.url}/v1/tool /both/
        ADD {files.url}/odd%20name.tgz {files.url} /packed/
        ADD --unpack=true {files.url}/odd%20name.tgz /
    """
    build(lreg_here, write(tmp_path / "c", text))
    found = flattened(wire_here, "t/built", "1").files
    secret = File("-rw-------", (0, 0), TOOL)
    assert found["bin/tool"] == found["both/tool"] == secret
    assert found["bin/other"] == File("-rwxr-xr-x", (5, 6), TOOL)
    assert found["packed/odd name.tgz"].content == ARCHIVE
    assert found["packed/__unnamed__"].content == b"a page"
    assert found["inside"].kind == "-rw-r-----"


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("ADD HERE/nowhere /", "HERE/nowhere is answered with 404"),
        ("ADD HERE/short /", "HERE/short can't be fetched: it broke off 1 bytes before its end"),
        ("ADD http://127.0.0.1:1/x /", "http://127.0.0.1:1/x can't be fetched: Connection refused"),
        (f"ADD --checksum=sha256:{'0' * 64} HERE/v1/tool /", f"tool is {sha256(TOOL)}, and"),
        ("ADD --checksum=md5:1 HERE/v1/tool /", "is not a sha256 or sha512 digest"),
        ("ADD --checksum=sha256:1 file /", "--checksum is for one URL"),
        ("ADD HERE/v1/tool file /x", "need a folder to go to"),
        ("ARG R=git@example.com:r\nADD $R /x", "does not clone 'git@example.com:r'"),
    ],
)
def test_what_does_not_come(
    lreg_here: Lreg, files: Files, tmp_path: Path, instruction: str, message: str
) -> None:
    """What can't be fetched, or is not what it must be, is one line that says so; no image."""
    text = f"FROM scratch\n{instruction.replace('HERE', files.url)}\n"
    said = lreg_here.attempt("build", "--quiet", str(write(tmp_path / "c", text)))
    (line,) = said.err.splitlines()
    assert said.code
    assert message.replace("HERE", files.url) in line
    assert "line " in line
