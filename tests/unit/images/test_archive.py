"""Images out of archives: each form gives the same image, and a wrong one a sentence."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import LregError, UsageError
from lreg.images.archive import open_archive
from lreg.images.contents import unpacking
from lreg.oci import mediatypes
from lreg.oci.manifest import MAX_MANIFEST_SIZE
from lreg.oci.platform import Platform
from tests.support.images import (
    Content,
    Image,
    Index,
    hello,
    layout_digests,
    multi_arch,
    sha256,
    tar,
    write_docker_archive,
    write_layout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MADE, INDEX = hello("archived", 3 << 20), multi_arch("archived")
ARM64 = Platform.parse("linux/arm64")


def contents(path: Path, platform: Platform | None = None) -> dict[str, bytes]:
    """Return everything in an archive's image by its digest, the root last."""
    with open_archive(path, platform) as image:
        blobs = {str(blob.digest): b"".join(member.pieces()) for blob, member in image.blobs}
        return blobs | {str(manifest.digest): manifest.raw for manifest in image.manifests}


def wrong(path: Path, platform: Platform | None = None) -> str:
    """Return the sentence that says why an archive is not taken; it names the archive."""
    with pytest.raises(UsageError) as raised, open_archive(path, platform):
        pass
    assert str(raised.value).startswith(str(path))
    return str(raised.value)


def folder(path: Path, made: Image | Index) -> Path:
    """An OCI layout."""
    return write_layout(path / "layout", {"v1": made})


def oci_archive(path: Path, made: Image | Index) -> Path:
    """The tar of one, as `tar -C layout -c .` makes it."""
    with tarfile.open(path / "oci.tar", "w") as archive:
        archive.add(folder(path, made), ".")
    return path / "oci.tar"


def zipped(path: Path, made: Image | Index) -> Path:
    """The same in gzip."""
    (path / "oci.tgz").write_bytes(gzip.compress(oci_archive(path, made).read_bytes(), 1))
    return path / "oci.tgz"


def holding(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tar with those files."""
    (path / "made.tar").write_bytes(tar(files))
    return path / "made.tar"


@pytest.mark.parametrize("form", [folder, oci_archive, zipped])
@pytest.mark.parametrize("made", [MADE, INDEX], ids=["image", "index"])
def test_layout(
    tmp_path: Path, form: Callable[[Path, Image | Index], Path], made: Image | Index
) -> None:
    """An OCI layout is its image byte for byte, be it a folder, a tar or one in gzip."""
    found = contents(form(tmp_path, made))
    assert found.keys() == layout_digests(made)
    assert all(sha256(data) == digest for digest, data in found.items())
    assert list(found)[-1] == made.manifest.digest


def test_platform(tmp_path: Path) -> None:
    """Of an index one platform's image can be taken alone; one it lacks is said with those it has.

    Nothing of the others is needed: what docker 25 saves names platforms that it did not save.
    """
    layout = folder(tmp_path, INDEX)
    other = INDEX.images[0].manifest.digest.removeprefix("sha256:")
    (layout / "blobs/sha256" / other).unlink()
    assert contents(layout, ARM64).keys() == layout_digests(INDEX.images[1])
    assert "lacks the image for 'linux/amd64'" in wrong(layout)
    said = wrong(layout, Platform.parse("linux/386"))
    assert said.endswith("for linux/386, only for: 'linux/amd64', 'linux/arm64', 'linux/s390x'")


async def test_read_twice_and_at_once(tmp_path: Path) -> None:
    """A blob can be read any number of times: a push that breaks off sends it anew."""
    with open_archive(oci_archive(tmp_path, MADE)) as image:
        for descriptor, member in image.blobs:
            first, second = aiter(member), aiter(member)
            begin = await anext(first)
            whole = b"".join([piece async for piece in second])
            assert whole.startswith(begin)
            assert sha256(whole) == str(descriptor.digest)
            await first.aclose()


def test_docker_archive(tmp_path: Path) -> None:
    """What `docker save` wrote keeps its config, which is its id, and its layers as they are."""
    archive = write_docker_archive(tmp_path / "saved.tar", MADE, "saved:v1")
    found = contents(archive)
    *_, (root, raw) = found.items()
    manifest = json.loads(raw)
    assert manifest["config"]["digest"] == MADE.blobs[0].digest
    assert [layer["digest"] for layer in manifest["layers"]] == list(map(sha256, MADE.tars))
    assert {layer["mediaType"] for layer in manifest["layers"]} == {mediatypes.OCI_LAYER}
    assert all(sha256(data) == digest for digest, data in found.items())
    again = write_docker_archive(tmp_path / "again.tar", MADE, "other:v2")
    assert list(contents(again))[-1] == root


def saved(path: Path, files: Mapping[str, bytes | str], **manifest: Any) -> Path:
    """A docker-archive of those files, a text being a link; `manifest` is its manifest.json."""
    listed = {**files, "manifest.json": json.dumps([manifest]).encode()}
    with tarfile.open(path / "saved.tar", "w") as archive:
        for name, data in listed.items():
            entry = tarfile.TarInfo(name)
            if isinstance(data, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, data
                archive.addfile(entry)
            else:
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return path / "saved.tar"


def config(*layers: bytes) -> bytes:
    """The config of an image of those layers."""
    return json.dumps({"rootfs": {"diff_ids": list(map(sha256, layers))}}).encode()


def test_linked_and_packed_layers(tmp_path: Path) -> None:
    """A layer may be a link to another, as old dockers write it; some tools write them in gzip."""
    plain = tar({"a": b"a"})
    packed = gzip.compress(plain, mtime=0)
    files: dict[str, bytes | str] = {"c": config(plain, plain, plain), "1/layer.tar": plain}
    files |= {"2/layer.tar": "../1/layer.tar", "3.tar.gz": packed}
    archive = saved(tmp_path, files, Config="c", Layers=["1/layer.tar", "2/layer.tar", "3.tar.gz"])
    with open_archive(archive) as image:
        (manifest,) = image.manifests
        assert [str(layer.digest) for layer in manifest.layers] == list(
            map(sha256, (plain, plain, packed))
        )
        assert manifest.layers[2].media_type == mediatypes.OCI_LAYER_GZIP
        assert len(image.blobs) == 3


@pytest.mark.parametrize(
    ("files", "layers", "message"),
    [
        ({}, ["1"], "lacks '1'"),
        ({"1": "/etc/passwd"}, ["1"], "lacks '1'"),
        ({"1": "2", "2": "3", "3": b""}, ["1"], "'1' is a link to a link"),
        ({"1": "1"}, ["1"], "'1' is a link to a link"),
        ({"1": b"1"}, ["1", "1"], "does not name the 2 layers"),
        ({"1": b"2"}, ["1"], "holds other bytes"),
        ({}, ["/etc/passwd"], "lacks '/etc/passwd'"),
        ({}, ["../../../../etc/passwd"], "lacks"),
        ({}, [7], "lacks 7"),
        ({}, {"1": 1}, "no list"),
        ({"c": b"{"}, [], "'c' is not JSON"),
        ({"c": b"[" * 100_000}, [], "'c' is not JSON"),
        ({"c": bytes(MAX_MANIFEST_SIZE + 1)}, [], "are the most"),
    ],
)
def test_hostile_docker_archive(
    tmp_path: Path, files: Mapping[str, bytes | str], layers: object, message: str
) -> None:
    """Names mean what lies in the archive; layers that its config does not name are not taken."""
    archive = saved(tmp_path, {"c": config(b"1"), **files}, Config="c", Layers=layers)
    assert message in wrong(archive)


def test_several_images(tmp_path: Path) -> None:
    """An archive of several images is refused by their names; one image by two names is one."""
    both = write_layout(tmp_path / "two", {"v1": MADE, "v2": hello("other")})
    assert wrong(both).endswith("it has 2 images, and one is wanted: 'v1', 'v2'")
    assert list(contents(write_layout_twice(tmp_path)))[-1] == MADE.manifest.digest
    entries = [{"Config": "c", "RepoTags": [f"a:{n}"], "Layers": []} for n in range(20)]
    listed = holding(tmp_path, {"manifest.json": json.dumps(entries).encode(), "c": b"{}"})
    assert "20 images, and one is wanted: 'a:0', 'a:1', " in wrong(listed)
    assert "it has no image" in wrong(write_layout(tmp_path / "none", {}))


def write_layout_twice(path: Path) -> Path:
    """A layout whose only image has two tags."""
    layout = write_layout(path / "twice", {"v1": MADE})
    named = json.loads((layout / "index.json").read_text())
    named["manifests"] *= 2
    (layout / "index.json").write_text(json.dumps(named))
    return layout


@pytest.mark.parametrize("place", ["index.json", "blobs", "manifest", "layer"])
def test_links_in_a_layout(tmp_path: Path, place: str) -> None:
    """Nothing outside of a layout's folder is read: no link in it is followed."""
    layout = folder(tmp_path, MADE)
    blobs = "blobs/sha256/"
    of = {"manifest": MADE.manifest, "layer": MADE.blobs[1]}
    name = blobs + of[place].digest.removeprefix("sha256:") if place in of else place
    os.rename(layout / name, tmp_path / "outside")
    (layout / name).symlink_to(tmp_path / "outside")
    assert "can't be read: a link" in wrong(layout)


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    """A pipe in a layout does not hang the command."""
    layout = folder(tmp_path, MADE)
    (layout / "index.json").unlink()
    os.mkfifo(layout / "index.json")
    assert "index.json is no file" in wrong(layout)


def test_wrong_manifests(tmp_path: Path) -> None:
    """A manifest that is not what its digest says, or too large, is not taken."""
    layout = folder(tmp_path, MADE)
    manifest = layout / "blobs/sha256" / MADE.manifest.digest.removeprefix("sha256:")
    raw = manifest.read_bytes()
    manifest.write_bytes(raw.replace(b"{", b"[", 1))
    assert "other bytes than its digest is of" in wrong(layout)
    manifest.write_bytes(raw + b" ")
    assert f"has {len(raw) + 1} bytes, not {len(raw)}" in wrong(layout)
    manifest.unlink()
    assert f"it lacks {MADE.manifest.digest}" in wrong(layout)
    with (layout / "index.json").open("r+b") as index:
        index.truncate(1 << 33)
    assert "are the most" in wrong(layout)


def test_deep_and_large_indexes(tmp_path: Path) -> None:
    """Indexes in indexes, and more manifests than an image has, end early."""
    assert "too deeply" in wrong(folder(tmp_path, nested(MADE, 10)))
    many = [hello(f"large {n}") for n in range(5)]
    padded = [_padded(each) for each in many]
    assert "bytes together" in wrong(write_layout(tmp_path / "large", {"v1": _index_of(padded)}))


def nested(made: Image, depth: int) -> Index:
    """Indexes around an image."""
    inner: Any = made
    for _ in range(depth):
        inner = _index_of([inner])
    whole: Index = inner
    return whole


def _index_of(images: list[Any]) -> Index:
    children = [each.manifest.descriptor() for each in images]
    value = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": children}
    content = Content(mediatypes.OCI_INDEX, json.dumps(value).encode())
    return Index(content, tuple(images))


def _padded(made: Image) -> Image:
    data = made.manifest.data
    padded = Content(made.manifest.media_type, data.ljust(MAX_MANIFEST_SIZE))
    return Image(padded, made.blobs)


NEGATIVE = (-1000).to_bytes(12, "big", signed=True)


def _header(name: str, size: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """One tar header with any size."""
    entry = tarfile.TarInfo(name)
    entry.type = kind
    made = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    made[124:136] = size.ljust(12, b"\0")
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no tar"),
        (b"no tar at all" * 100, "no tar"),
        (gzip.compress(bytes(100_000))[:-20], "gzip is broken"),
        (b"\x1f\x8bno gzip", "gzip is broken"),
        (tar({"a": b"a"}), "neither an OCI layout nor what `docker save` writes"),
        (_header("x", b"77777777777", tarfile.XHDTYPE), "tar headers are larger"),
        (_header("x", b"77777777777", tarfile.GNUTYPE_LONGNAME), "tar headers are larger"),
        (_header("x", NEGATIVE), "negative size"),
        (_header("x", NEGATIVE, tarfile.XHDTYPE), "tar headers are larger"),
        (_header("index.json", b"00000000777"), "no tar"),
        (_header("", b"") * 20_000, "tar headers are larger"),
        (_header("x", b"", tarfile.XHDTYPE) * 5_000, "no tar"),
    ],
)
def test_hostile_tar(tmp_path: Path, data: bytes, message: str) -> None:
    """What is no tar, or one to fill the memory with, is refused with a sentence."""
    (tmp_path / "hostile.tar").write_bytes(data)
    assert message in wrong(tmp_path / "hostile.tar")


def test_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed archive that would fill the disk is given up."""
    monkeypatch.setattr(unpacking, "_ALWAYS", 16 << 20)
    archive = tmp_path / "bomb"
    zeroes = gzip.compress(bytes(1 << 20))
    archive.write_bytes(gzip.compress(_header("zeroes", b"77777777777")) + zeroes * 40)
    assert "decompression bomb" in wrong(archive)


@pytest.mark.parametrize("form", [oci_archive, zipped])
def test_from_a_pipe(tmp_path: Path, form: Callable[[Path, Image | Index], Path]) -> None:
    """An archive may come from a pipe, as from `<(ssh there docker save app)`."""
    data, pipe = form(tmp_path, MADE).read_bytes(), tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert contents(pipe).keys() == layout_digests(MADE)
    writer.join()


def test_no_room_to_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room to unpack it that is said of the place that lacks it."""
    monkeypatch.setattr("tempfile.TemporaryFile", partial(open, "/dev/full", "r+b", buffering=0))
    with pytest.raises(LregError, match=r"kept in .*No space left on device; \$TMPDIR"):
        contents(zipped(tmp_path, MADE))


def test_not_there(tmp_path: Path) -> None:
    """A path on which nothing lies is said."""
    assert wrong(tmp_path / "nothing").endswith("can't be read: No such file or directory")
