"""Layers that mean harm, or are none: one line that says so."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.support.images import Content, Image, image, layered
from tests.support.layers import (
    TOOL,
    layer,
    link,
    member,
    packed,
)

if TYPE_CHECKING:
    from tests.server.commands.conftest import Lreg
    from tests.support.wire import Wire

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
