"""An image's root as lreg gives it, beside what those who unpack images make of it."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.server.commands.conftest import lreg_of
from tests.support.clients import Client
from tests.support.images import layered
from tests.support.layers import folder, layer, link, member

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.daemons import Docker
    from tests.support.registries import Running

HARD = tarfile.LNKTYPE
LOWEST = (
    folder("deleted"),
    member("deleted/one", b"1"),
    member("deleted/two", b"2"),
    folder("folder"),
    folder("folder/gone"),
    member("folder/gone/x", b"x"),
    member("folder/stays", b"stays"),
    folder("opaque"),
    member("opaque/old", b"old"),
    folder("opaque/below"),
    member("opaque/below/old", b"old"),
    folder("real"),
    member("real/file", b"r"),
    link("alias", "real"),
    member("becomes-folder", b"f"),
    folder("becomes-file"),
    member("becomes-file/x", b"x"),
    member("first", b"hard"),
    link("second", "first", HARD, 0o644),
    folder("sticky", 0o1777),
    member("setuid", b"s", mode=0o6755, uid=3_000_000, gid=3_000_001),
)
MIDDLE = (
    member("deleted/.wh.one"),
    folder("folder"),
    member("folder/.wh.gone"),
    member("folder/new", b"new"),
    folder("opaque"),
    member("opaque/new", b"new"),
    member("opaque/.wh..wh..opq"),
    folder("becomes-folder"),
    member("becomes-folder/in", b"in"),
    member("becomes-file", b"file"),
    # Of a file with two names one is replaced, and the other gets a third.
    member("first", b"other"),
    link("third", "second", HARD, 0o644),
    folder("real", 0o700),
)
TOP = (
    member(".wh.becomes-folder"),
    folder("folder/gone"),
    member("folder/gone/again", b"again"),
    member("deleted/.wh.never-was"),
    member("attributes", b"x", pax_headers={"SCHILY.xattr.user.key": "value"}),
)
MADE = layered(*(layer(*each) for each in (LOWEST, MIDDLE, TOP)))


@pytest.fixture
def lreg(registry: Running, tmp_path: Path, repository: str) -> Lreg:
    """The command, beside a registry that has the image, tagged 1."""
    with registry.wire() as wire:
        wire.push(repository, MADE, "1")
    return lreg_of(registry, tmp_path)


def walked(root: Path) -> dict[str, tuple[object, ...]]:
    """Return everything in a folder: type, mode, owner, content, count of names, attributes."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = (path.read_bytes(), status.st_nlink, int(status.st_mtime))
        found[str(path.relative_to(root))] = (
            "link" if path.is_symlink() else stat.filemode(status.st_mode),
            status.st_uid,
            status.st_gid,
            content,
            {key: os.getxattr(path, key) for key in os.listxattr(path, follow_symlinks=False)},
        )
    return found


def exported(lreg: Lreg, image: str) -> dict[str, tuple[object, ...]]:
    """Return what GNU tar unpacks of `lreg export`."""
    lreg.run("export", "--output=root.tar", image)
    root = lreg.home / "root"
    root.mkdir()
    options = ("--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner", "-xp")
    subprocess.run(["tar", *options, "-f", lreg.home / "root.tar", "-C", root], check=True)
    return walked(root)


@pytest.mark.client("umoci")
def test_umoci(lreg: Lreg, tmp_path: Path, repository: str) -> None:
    """`lreg export` has what `umoci unpack` makes: whiteouts, hard links, owners, attributes."""
    lreg.run("pull", "--to=dir:layout", "--as=app:1", f"{repository}:1")
    umoci = Client(tmp_path / "umoci", "umoci")
    umoci("unpack", "--image", f"{tmp_path}/layout:app:1", str(tmp_path / "bundle"))
    assert exported(lreg, f"{repository}:1") == walked(tmp_path / "bundle/rootfs")


@pytest.mark.client("buildah")
def test_buildah(lreg: Lreg, buildah: Client, tmp_path: Path, repository: str) -> None:
    """And what `buildah mount` shows; it takes the image from an archive of `lreg save`."""
    lreg.run("save", "-q", "-o", "saved.tar", f"{repository}:1")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    archive = f"oci-archive:{tmp_path}/saved.tar"
    name = buildah("from", "--signature-policy", str(policy), archive).out.strip()
    mounted = tmp_path / "mounted"
    subprocess.run(["cp", "-a", buildah("mount", name).out.strip(), mounted], check=True)
    buildah("rm", name)
    assert exported(lreg, f"{repository}:1") == walked(mounted)


@pytest.mark.client("docker")
def test_docker_import(lreg: Lreg, dockerd: Docker, repository: str) -> None:
    """`docker import` takes what `lreg export` writes, and `lreg upload` what that made."""
    lreg.run("export", "--output=root.tar", f"{repository}:1")
    dockerd.cli("import", f"{lreg.home}/root.tar", f"{repository}/imported:1")
    from_docker = lreg_of(lreg.registry, lreg.home, DOCKER_HOST=dockerd.host)
    from_docker.run("upload", "-q", f"{repository}/imported:1")
    assert lreg.attempt("diff", f"{repository}:1", f"{repository}/imported:1").out == ""
