"""What is in an image: `lreg files`, `cat`, `export`, `diff`, `layers`; docker's word beside it."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.server.commands.conftest import NOT_ZOT, Lreg
from tests.support.images import Content, Image, image, layered, multi_arch, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemons import Docker
    from tests.support.wire import Wire

Member = tuple[tarfile.TarInfo, bytes]
TOOL = b"0123456789abcde\n" * 20_000


def member(name: str, data: bytes = b"", **more: Any) -> Member:
    """Return a file of a layer; `more` are attributes of its header."""
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = len(data), 0o644, 1_700_000_000
    for key, value in more.items():
        setattr(header, key, value)
    return header, data


def folder(name: str, mode: int = 0o755) -> Member:
    """Return a directory of a layer."""
    return member(name, type=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE, mode: int = 0o777) -> Member:
    """Return a symbolic link, or a hard one, which has the mode of its file."""
    return member(name, type=kind, linkname=target, mode=mode)


def layer(*members: Member) -> bytes:
    """Return the tar of a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for header, data in members:
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


BASE = (
    folder("etc"),
    member("etc/motd", b"hello\n", uid=3, gid=4),
    member("etc/gone", b"x"),
    folder("usr"),
    folder("usr/bin"),
    member("usr/bin/tool", TOOL, mode=0o4755),
    link("usr/bin/alias", "usr/bin/tool", tarfile.LNKTYPE, 0o4755),
    link("bin", "usr/bin"),
    folder("var"),
    folder("var/cache", mode=0o1777),
    member("var/cache/one", b"1"),
    member("var/cache/two", b"2"),
    member("pipe", type=tarfile.FIFOTYPE),
)
TOP = (
    member("etc/.wh.gone"),
    member("etc/motd", b"changed\n"),
    folder("var"),
    folder("var/cache", mode=0o700),
    member("var/cache/.wh..wh..opq"),
    member("var/cache/three", b"3"),
    # Of a file with two names one is replaced: the other stays what it was.
    member("usr/bin/tool", b"new tool", mode=0o755),
    link("usr/bin/motd", "../../etc/motd"),
)
THROUGH = member("bin/through", b"through a link", mode=0o755)
LAYERED = layered(layer(*BASE), layer(*TOP, THROUGH), docker=True)


@NOT_ZOT
def test_files(lreg: Lreg, wire: Wire, repository: str) -> None:
    """Listed is what a container sees: whiteouts applied, links followed by what is added."""
    wire.push(repository, LAYERED, "v1")
    assert lreg.lines("files", f"{repository}:v1") == [
        "bin",
        "etc/",
        "etc/motd",
        "pipe",
        "usr/",
        "usr/bin/",
        "usr/bin/alias",
        "usr/bin/motd",
        "usr/bin/through",
        "usr/bin/tool",
        "var/",
        "var/cache/",
        "var/cache/three",
    ]
    listed = {each["path"]: each for each in lreg.json("files", f"{repository}:v1")}
    assert listed["etc/motd"]["size"] == len(b"changed\n")
    assert listed["usr/bin/motd"]["target"] == "../../etc/motd"
    long = lreg.lines("files", "--long", f"{repository}:v1")
    assert "-rwsr-xr-x 0/0     320000 2023-11-14 22:13 usr/bin/alias" in long


def test_files_by_layer(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """Layer by layer everything is shown as it lies there, whiteouts too."""
    wire_here.push(repository, LAYERED, "v1")
    lines = lreg_here.lines("files", "--layers", f"{repository}:v1")
    heads = [f"=== Layer; {blob.digest}" for blob in LAYERED.blobs[1:]]
    assert [line for line in lines if line.startswith("===")] == heads
    assert "etc/.wh.gone" in lines
    assert [
        len(each["files"]) for each in lreg_here.json("files", "--layers", f"{repository}:v1")
    ] == [
        len(BASE),
        len(TOP) + 1,
    ]


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
    made = layered(layer(*BASE), layer(*TOP))
    wire_here.push(repository, made, "v1")
    blobs = lreg_here.registry.store / "docker/registry/v2/blobs/sha256"
    algorithm, _, base = made.blobs[1].digest.partition(":")
    assert algorithm == "sha256"
    (blobs / base[:2] / base / "data").write_bytes(b"")
    assert lreg_here.run("cat", f"{repository}:v1", "etc/motd") == "changed\n"


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


def test_layers(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """Layers are listed from the lowest on, with what made them."""
    made = multi_arch(repository)
    wire_here.push(repository, made, "v1")
    chosen = made.images[1]
    shown = lreg_here.json("layers", "--platform=linux/arm64", f"{repository}:v1")
    assert [each["digest"] for each in shown] == [blob.digest for blob in chosen.blobs[1:]]
    assert {each["created_by"] for each in shown} == {"lreg tests"}


def packed(data: bytes, kind: str, blob: bytes) -> Image:
    """Return an image of one layer, packed in another way than usual."""
    made = layered(data)
    layer_of = made.blobs[1].descriptor()
    other = Content(f"application/vnd.oci.image.layer.v1.{kind}", blob)
    raw = made.manifest.data
    for key in ("digest", "size", "mediaType"):
        old, new = layer_of[key], other.descriptor()[key]
        raw = raw.replace(f'"{key}":{_json(old)}'.encode(), f'"{key}":{_json(new)}'.encode())
    return Image(Content(made.manifest.media_type, raw), (made.blobs[0], other), made.tars)


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.mark.parametrize("kind", ["tar", "tar+gzip", "tar+zstd"])
def test_every_packing(lreg_here: Lreg, wire_here: Wire, repository: str, kind: str) -> None:
    """Layers are read whatever packed them, in one piece or in several."""
    data = layer(member("file", TOOL))
    half = len(data) // 2
    packers: dict[str, Callable[[bytes], bytes]] = {
        "tar": bytes,
        "tar+gzip": gzip.compress,
        "tar+zstd": zstandard.compress,
    }
    pack = packers[kind]
    made = packed(data, kind, pack(data[:half]) + pack(data[half:]))
    wire_here.push(repository, made, "v1")
    assert lreg_here.run("cat", f"{repository}:v1", "file").encode() == TOOL


@pytest.mark.parametrize(
    "blob", [b"", gzip.compress(b""), zstandard.compress(b"")], ids=["bare", "gzip", "zstd"]
)
def test_layer_of_no_bytes(lreg_here: Lreg, wire_here: Wire, repository: str, blob: bytes) -> None:
    """A layer of no bytes, packed or not, is one of no files, as to Docker."""
    wire_here.push(repository, packed(b"", "tar+gzip", blob), "v1")
    assert lreg_here.run("files", f"{repository}:v1") == ""
    lreg_here.run("export", "-o", "root.tar", f"{repository}:v1")
    with tarfile.open(lreg_here.home / "root.tar") as root:
        assert root.getnames() == []
    assert lreg_here.run("diff", f"{repository}:v1", f"{repository}:v1") == ""


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("inf", "1970-01-01 00:00"),
        ("nan", "1970-01-01 00:00"),
        ("1e300", "1970-01-01 00:00"),
        ("-1e12", "@-1000000000000"),
        ("-1.5", "1969-12-31 23:59"),
    ],
)
def test_times_that_no_clock_shows(
    lreg_here: Lreg, wire_here: Wire, repository: str, tmp_path: Path, time: str, shown: str
) -> None:
    """A time before the year 1 or without an end is a time like any other, or none."""
    wire_here.push(
        repository, layered(layer(member("file", b"x", pax_headers={"mtime": time}))), "v1"
    )
    assert lreg_here.lines("files", "--long", f"{repository}:v1") == [
        f"-rw-r--r-- 0/0          1 {shown} file"
    ]
    assert abs(lreg_here.json("files", f"{repository}:v1")[0]["mtime"]) < 1 << 53
    lreg_here.run("export", "--output=root", f"{repository}:v1")
    with tarfile.open(tmp_path / "root") as archive:
        assert archive.getnames() == ["file"]


def test_mode_of_many_bits(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """Of a mode that no system has the bits count that files have."""
    data = bytearray(layer(member("file", b"x")))
    # As GNU tar writes numbers that octal digits can't; then the sum of the header.
    data[100:108] = b"\x80" + b"\xff" * 7
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + sum(data[156:512]) + 8 * ord(" "))
    wire_here.push(repository, layered(bytes(data)), "v1")
    assert lreg_here.json("files", f"{repository}:v1")[0]["mode"] == "7777"


@pytest.mark.parametrize("more", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "utf-8:strict"}])
def test_names_that_are_no_text(
    lreg_here: Lreg, wire_here: Wire, repository: str, tmp_path: Path, more: dict[str, str]
) -> None:
    """Names in another encoding than UTF-8 keep their bytes, whatever the language is."""
    name = "caf\udce9"
    wire_here.push(repository, layered(layer(member(name, b"x"), link("l", name))), "v1")
    lreg = replace(lreg_here, env={**lreg_here.env, **more})
    assert lreg.lines("files", f"{repository}:v1") == ["caf?", "l"]
    assert [each["path"] for each in lreg.json("files", f"{repository}:v1")] == [name, "l"]
    assert lreg.run("cat", f"{repository}:v1", name) == "x"
    lreg.run("export", "--output=root", f"{repository}:v1")
    with tarfile.open(tmp_path / "root") as archive:
        archive.extractall(tmp_path / "out", filter="tar")
    assert sorted(os.listdir(bytes(tmp_path / "out"))) == [b"caf\xe9", b"l"]


HOSTILE = {
    "above the root": (layer(member("../etc/passwd", b"x")), "leads out of the image"),
    "a link in a circle": (
        layer(link("a", "b"), link("b", "a"), member("a/file", b"x")),
        "in a circle",
    ),
    "a link to nothing": (layer(link("a", "no/such", tarfile.LNKTYPE)), "no file"),
    "no tar": (b"\0no tar\0" * 1000, "no tar"),
    "a header of megabytes": (
        layer(member("x", pax_headers={"comment": "y" * (1 << 20)})),
        "headers are larger",
    ),
    "cut off": (layer(member("file", TOOL))[:5000], "end"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("command", ["files", "export"])
def test_hostile_layers(
    lreg_here: Lreg, wire_here: Wire, repository: str, name: str, command: str
) -> None:
    """A layer that means harm ends in one line that says what is wrong with it."""
    data, reason = HOSTILE[name]
    wire_here.push(repository, layered(data), "v1")
    said = lreg_here.attempt(command, f"{repository}:v1")
    assert said.code
    assert reason in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["tar+gzip", "tar+zstd"])
def test_bomb(lreg_here: Lreg, wire_here: Wire, repository: str, kind: str) -> None:
    """A layer that unpacks to far more than its size is given up, without filling the memory."""
    header = member("zeroes", size=64 << 30)[0]
    header.size = 64 << 30
    zeroes = bytes(1 << 20)
    if kind == "tar+gzip":
        begin = gzip.compress(header.tobuf())
        blob = begin + gzip.compress(zeroes * 64) * 40
    else:
        packer = zstandard.ZstdCompressor(level=19)
        blob = packer.compress(header.tobuf()) + packer.compress(zeroes * 64) * 40
    wire_here.push(repository, packed(header.tobuf(), kind, blob), "v1")
    assert "decompression bomb" in lreg_here.fail(2, "files", f"{repository}:v1")


def test_what_is_no_image_of_files(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """An artifact that is no image is said to be none."""
    made = image({"x": b"y"})
    raw = made.manifest.data.replace(b"vnd.oci.image.layer.v1.tar+gzip", b"vnd.example.chart")
    wire_here.push(repository, Image(Content(made.manifest.media_type, raw), made.blobs), "v1")
    assert "no layer of files" in lreg_here.fail(2, "files", f"{repository}:v1")
