"""Images built from folders, without Docker."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import UsageError
from lreg.images.building.build import source_date_epoch
from lreg.images.building.described import ImageSource
from lreg.images.building.sources import build
from lreg.oci.digest import Digest
from lreg.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from lreg.images.members import Member

HELLO = Path(__file__).parents[4] / "examples" / "hello"


def write_source(folder: Path, **fields: object) -> ImageSource:
    """A source of one platform, whose root is `folder`/root."""
    (folder / "root").mkdir(parents=True, exist_ok=True)
    description = {"name": "test/image", "roots": {"linux/amd64": "root"}, **fields}
    (folder / "image.json").write_text(json.dumps(description))
    return ImageSource.read(folder)


def write_tree(root: Path) -> None:
    """Files, folders and a link."""
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "b").write_text("b")
    (root / "etc" / "a").write_text("a")
    (root / "run").write_text("#! /bin/sh\n")
    (root / "run").chmod(0o700)
    (root / "link").symlink_to("etc/a")


def whole(content: Member) -> bytes:
    """All bytes of a blob."""
    return b"".join(content.pieces())


def entries(source: ImageSource, epoch: int = 0) -> list[tarfile.TarInfo]:
    """What the only layer of `source` holds."""
    with build(source, epoch=epoch) as image:
        tar = gzip.decompress(whole(image.blobs[1][1]))
    with tarfile.open(fileobj=io.BytesIO(tar)) as layer:
        return layer.getmembers()


def config_of(source: ImageSource, epoch: int = 0) -> dict[str, Any]:
    """The first image config of `source`."""
    with build(source, epoch=epoch) as image:
        config: dict[str, Any] = json.loads(whole(image.blobs[0][1]))
        return config


def test_same_folders_give_same_bytes(tmp_path: Path) -> None:
    """Who built it, when, where and under which umask does not change an image's digest."""
    digests = []
    for name, umask in ("one", 0o022), ("two", 0o077):
        before = os.umask(umask)
        try:
            write_tree(tmp_path / name / "root")
        finally:
            os.umask(before)
        os.utime(tmp_path / name / "root" / "run", (umask, umask))
        with build(write_source(tmp_path / name)) as image:
            digests.append(image.top.digest)
    assert digests[0] == digests[1]


def test_layer_content(tmp_path: Path) -> None:
    """A layer holds the root's names in order, owned by root, with one time and plain modes."""
    write_tree(tmp_path / "root")
    found = entries(write_source(tmp_path), epoch=1700000000)
    assert [entry.name for entry in found] == ["etc", "etc/a", "etc/b", "link", "run"]
    assert {(entry.uid, entry.gid, entry.mtime) for entry in found} == {(0, 0, 1700000000)}
    assert [oct(entry.mode) for entry in found] == ["0o755", "0o644", "0o644", "0o777", "0o755"]
    assert found[3].issym()
    assert found[3].linkname == "etc/a"


def test_descriptors_match_content(tmp_path: Path) -> None:
    """Every blob has the size and digest that the manifest says, and the diff_id is the tar's."""
    write_tree(tmp_path / "root")
    with build(write_source(tmp_path)) as image:
        contents = {descriptor.digest: whole(content) for descriptor, content in image.blobs}
        for descriptor in image.top.blobs:
            assert len(contents[descriptor.digest]) == descriptor.size
            assert Digest.of(contents[descriptor.digest]) == descriptor.digest
        (layer,) = image.top.layers
        config = json.loads(contents[image.top.blobs[0].digest])
        tar_hash = hashlib.sha256(gzip.decompress(contents[layer.digest])).hexdigest()
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{tar_hash}"]}
    assert image.top.media_type == OCI_MANIFEST


def test_large_layer_not_in_memory(tmp_path: Path) -> None:
    """A layer larger than the memory set aside for it comes out whole."""
    content = os.urandom(9 << 20)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "big").write_bytes(content)
    with build(write_source(tmp_path)) as image:
        layer, packed = image.blobs[1]
        data = whole(packed)
        assert Digest.of(data) == layer.digest
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        member = tar.extractfile("big")
        assert member is not None
        assert member.read() == content


def test_run_settings(tmp_path: Path) -> None:
    """What runs, with which environment, labels, user and folder, stands in the config."""
    source = write_source(
        tmp_path,
        cmd=["/run"],
        entrypoint=["/init", "--"],
        env={"A": "1"},
        labels={"x": "y"},
        user="1000:1000",
        workdir="/srv",
    )
    config = config_of(source, epoch=86400)
    assert config["config"] == {
        "Cmd": ["/run"],
        "Entrypoint": ["/init", "--"],
        "Env": ["A=1"],
        "Labels": {"x": "y"},
        "User": "1000:1000",
        "WorkingDir": "/srv",
    }
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["created"] == "1970-01-02T00:00:00Z"


def test_platforms_make_an_index(tmp_path: Path) -> None:
    """Roots for several platforms give an index with one manifest for each."""
    (tmp_path / "arm").mkdir()
    roots = {"linux/amd64": "root", "linux/arm/v7": "arm"}
    with build(write_source(tmp_path, roots=roots)) as image:
        assert image.top.media_type == OCI_INDEX
        assert [child.digest for child in image.top.children] == [
            manifest.digest for manifest in image.manifests[:-1]
        ]
        assert [child.platform for child in image.top.children] == [
            Platform("linux", "amd64"),
            Platform("linux", "arm", "v7"),
        ]


def test_socket_refused(tmp_path: Path) -> None:
    """What an image can't hold is refused by its path."""
    source = write_source(tmp_path)
    os.mkfifo(tmp_path / "root" / "pipe")
    with (
        pytest.raises(UsageError, match=r"root/pipe is a pipe: an image can't hold it"),
        build(source),
    ):
        pass


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": ["/x"]}, "unknown key 'command'"),
        ({"cmd": "/x"}, "'cmd' must be a list of strings"),
        ({"cmd": [1]}, "'cmd' must be a list of strings"),
        ({"env": ["A=1"]}, "'env' must be an object of strings"),
        ({"user": 0}, "'user' must be a string"),
        ({"roots": {}}, "must name a folder"),
        ({"roots": {"linux/amd64": "missing"}}, "'missing' in roots is not a folder"),
        ({"roots": {"amd64": "root"}}, "not a platform"),
        ({"name": "Upper"}, "not a repository name"),
    ],
)
def test_description_errors(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    """A wrong image.json is said in one line that names the file and the mistake."""
    with pytest.raises(UsageError, match=message) as caught:
        write_source(tmp_path, **fields)
    assert str(tmp_path / "image.json") in str(caught.value)


def test_description_missing(tmp_path: Path) -> None:
    """A folder without an image.json is said so."""
    with pytest.raises(UsageError, match="can't be read: No such file"):
        ImageSource.read(tmp_path)


def test_source_date_epoch() -> None:
    """SOURCE_DATE_EPOCH sets every time; anything but a number is refused."""
    assert source_date_epoch({}) == 0
    assert source_date_epoch({"SOURCE_DATE_EPOCH": "1700000000"}) == 1700000000
    with pytest.raises(UsageError, match="whole seconds"):
        source_date_epoch({"SOURCE_DATE_EPOCH": "yesterday"})


def test_example_says_hello() -> None:
    """The example image is for this machine too, and what it runs says hello."""
    source = ImageSource.read(HELLO)
    (root,) = [root for name, root in source.roots.items() if name.matches(Platform.here())]
    assert platform.system() == "Linux"
    program = [f"{root}{source.run['Cmd'][0]}"]
    assert subprocess.run(program, capture_output=True, check=True).stdout == b"Hello from lreg!\n"
