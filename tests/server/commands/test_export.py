"""`lreg export` and `diff`: an image's root, and what tells two of them apart."""

from __future__ import annotations

import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support.images import layered, sha256
from tests.support.layers import (
    BASE,
    LAYERED,
    TOP,
    layer,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.daemons import Docker
    from tests.support.wire import Wire


def seen(file: Path) -> dict[str, tuple[object, ...]]:
    """Return what an exported tar holds: type, mode, owner and content of each file by its path."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(file) as archive:
        for header in archive:
            has_content = header.isreg() or header.islnk()
            content = archive.extractfile(header) if has_content else None
            found[header.name.strip("/")] = (
                tarfile.REGTYPE if has_content else header.type,
                0o777 if header.issym() else stat.S_IMODE(header.mode),
                header.uid,
                header.gid,
                sha256(content.read()) if content else header.linkname,
            )
    return found


@pytest.mark.client("docker")
def test_export_as_docker(
    dockerd: Docker, lreg_here: Lreg, wire_here: Wire, repository: str, tmp_path: Path
) -> None:
    """`lreg export` has the files of `docker export`, with their modes, owners and contents."""
    # dockerd can't unpack what lies below a link that a lower layer has.
    wire_here.push(repository, layered(layer(*BASE), layer(*TOP), docker=True), "v1")
    name = f"{lreg_here.registry.host}/{repository}:v1"
    dockerd.cli("pull", name)
    container = dockerd.cli("create", name, "/x").out.strip()
    dockerd.cli("export", "--output", str(tmp_path / "theirs"), container)
    lreg_here.run("export", "--output", "ours", f"{repository}:v1")
    # What docker puts into every container.
    added = {"dev", "proc", "sys", ".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf"}
    added |= {"dev/console", "dev/pts", "dev/shm", "etc/mtab"}
    theirs = {path: what for path, what in seen(tmp_path / "theirs").items() if path not in added}
    assert seen(tmp_path / "ours") == theirs


def test_export_is_repeatable(
    lreg_here: Lreg, wire_here: Wire, repository: str, tmp_path: Path
) -> None:
    """The same image exports to the same bytes; two names of one file stay one file."""
    wire_here.push(repository, LAYERED, "v1")
    for output in ("one", "two"):
        lreg_here.run("export", "--output", output, f"{repository}:v1")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    lreg_here.run("export", "--layer=1", "--output=base", f"{repository}:v1")
    with tarfile.open(tmp_path / "base") as archive:
        links = {header.name: header.linkname for header in archive if header.islnk()}
    assert links == {"usr/bin/tool": "usr/bin/alias"}


def test_diff(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """What differs is listed with how, also where a layer is shared; the exit code says that."""
    wire_here.push(repository, layered(layer(*BASE), docker=True), "a")
    wire_here.push(repository, layered(layer(*BASE), layer(*TOP), docker=True), "b")
    said = lreg_here.attempt("diff", f"{repository}:a", f"{repository}:b")
    assert said.code == 1
    assert said.out.splitlines() == [
        "- etc/gone",
        "~ etc/motd (owner, content)",
        "+ usr/bin/motd",
        "~ usr/bin/tool (mode, content)",
        "~ var/cache (mode)",
        "- var/cache/one",
        "+ var/cache/three",
        "- var/cache/two",
    ]
    assert lreg_here.run("diff", f"{repository}:a", f"{repository}:a") == ""
