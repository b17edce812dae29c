"""`lreg cat`: one file, as a container of the image would read it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support.images import layered
from tests.support.layers import (
    BASE,
    LAYERED,
    TOOL,
    Member,
    folder,
    layer,
    link,
    member,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.wire import Wire


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/etc/motd", b"changed\n"),
        ("usr/bin/motd", b"changed\n"),
        ("bin/tool", b"new tool"),
        ("bin/alias", TOOL),
        ("bin/through", b"through a link"),
        ("var/cache/three", b"3"),
    ],
)
def test_cat(lreg_here: Lreg, wire_here: Wire, repository: str, path: str, wanted: bytes) -> None:
    """A file is what a container would read: the newest, through symbolic links and hard ones."""
    wire_here.push(repository, LAYERED, "v1")
    assert lreg_here.run("cat", f"{repository}:v1", path).encode() == wanted


LINKED = (
    layer(folder("usr"), folder("usr/bin"), member("usr/bin/x", b"old"), link("bin", "usr/bin")),
    layer(folder("lib"), link("sbin", "bin"), link("y", "/sbin/../lib/./y")),
)


@pytest.mark.parametrize(
    ("top", "path_and_content"),
    [
        # What is put there through a link of a layer below.
        ((member("bin/x", b"new"),), ("usr/bin/x", b"new")),
        ((member("sbin/z", b"z"),), ("usr/bin/z", b"z")),
        ((member("sbin/z", b"z"),), ("bin/z", b"z")),
        ((member("bin/.wh.x"),), ("usr/bin/x", None)),
        ((member("bin/.wh.x"),), ("sbin/x", None)),
        # A folder in the place of a link.
        ((folder("bin"),), ("bin/x", None)),
        ((folder("bin"), member("bin/x", b"own")), ("usr/bin/x", b"old")),
        ((folder("bin"), member("bin/x", b"own")), ("sbin/x", b"own")),
        # A file in the place of a folder.
        ((member("usr", b"file"),), ("usr/bin/x", None)),
        ((member("usr", b"file"),), ("bin/x", None)),
        ((member("lib/y", b"y"), member("usr/lib/y", b"usr")), ("y", b"usr")),
    ],
)
def test_cat_agrees_with_export(
    lreg_here: Lreg,
    repository: str,
    tmp_path: Path,
    top: tuple[Member, ...],
    path_and_content: tuple[str, bytes | None],
) -> None:
    """A file is found where a container finds it, however layers hide and link it."""
    path, wanted = path_and_content
    with lreg_here.registry.wire() as wire:
        wire.push(repository, layered(*LINKED, layer(*top)), "v1")
    said = lreg_here.attempt("cat", f"{repository}:v1", path)
    assert (said.out.encode() if said.code == 0 else None) == wanted
    lreg_here.run("export", "--output=root", f"{repository}:v1")
    with tarfile.open(tmp_path / "root") as archive:
        archive.extractall(tmp_path / "out", filter="tar")
    assert seen_by_the_kernel(tmp_path / "out", path) == wanted


def seen_by_the_kernel(root: Path, path: str) -> bytes | None:
    """Return what a process finds at a path whose root is that folder."""
    script = (
        "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); print(open(sys.argv[2]).read())"
    )
    argv = [sys.executable, "-c", script, str(root), path]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    return done.stdout.removesuffix(b"\n") if done.returncode == 0 else None


@pytest.mark.parametrize("path", ["etc/gone", "var/cache/one", "no/such", "usr", "../etc/motd"])
def test_cat_what_is_no_file(lreg_here: Lreg, wire_here: Wire, repository: str, path: str) -> None:
    """What a container would not find, or is no file, is said in one line."""
    wire_here.push(repository, LAYERED, "v1")
    said = lreg_here.attempt("cat", f"{repository}:v1", path)
    assert said.code
    assert said.out == ""
    assert path in said.err


def test_cat_reads_no_layer_below(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """Layers below the one that has the file are not fetched: a broken one does no harm."""
    # No other test has such a layer below: the registry remembers what it has served.
    below, above = layer(*BASE, member("here")), layer(folder("etc"), member("etc/motd", b"new"))
    made = layered(below, above)
    wire_here.push(repository, made, "v1")
    blobs = lreg_here.registry.store / "docker/registry/v2/blobs/sha256"
    algorithm, _, base = made.blobs[1].digest.partition(":")
    assert algorithm == "sha256"
    (blobs / base[:2] / base / "data").write_bytes(b"")
    assert lreg_here.run("cat", f"{repository}:v1", "etc/motd") == "new"
