"""`lreg files` and `layers`: what is in an image, and what it is made of."""

from __future__ import annotations

import gzip
import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.server.commands.conftest import NOT_ZOT, Lreg
from tests.support.images import layered, multi_arch
from tests.support.layers import (
    BASE,
    LAYERED,
    TOOL,
    TOP,
    layer,
    link,
    member,
    packed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.wire import Wire


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


def test_layers(lreg_here: Lreg, wire_here: Wire, repository: str) -> None:
    """Layers are listed from the lowest on, with what made them."""
    made = multi_arch(repository)
    wire_here.push(repository, made, "v1")
    chosen = made.images[1]
    shown = lreg_here.json("layers", "--platform=linux/arm64", f"{repository}:v1")
    assert [each["digest"] for each in shown] == [blob.digest for blob in chosen.blobs[1:]]
    assert {each["created_by"] for each in shown} == {"lreg tests"}


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
