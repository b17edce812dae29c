"""How layers are packed: any reader unpacks them, and the same bytes give the same bytes."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess

import pytest
import zstandard

from lreg.images.building.packing import Compression, packer
from tests.support.images import noise

TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(100_000))
CONTENTS = {
    "nothing": b"",
    "a byte": b"x",
    "text": TEXT,
    "noise": noise(3 << 20, "packing"),
    "a block": bytes(1 << 20),
    "both": TEXT + noise(1 << 20, "both") + TEXT,
}


def packed(content: bytes, compression: Compression, step: int = 10_000) -> bytes:
    """What comes out when `content` is written in pieces of `step` bytes."""
    out = io.BytesIO()
    packing = packer(compression, out)
    for position in range(0, len(content), step):
        packing.write(content[position : position + step])
    packing.close()
    return out.getvalue()


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_gzip_is_gzip(content: bytes) -> None:
    """Python and gzip itself get out what was put in, of any size around that of a block."""
    file = packed(content, Compression.GZIP)
    assert gzip.decompress(file) == content
    program = shutil.which("gzip")
    assert program
    done = subprocess.run([program, "-dc"], input=file, capture_output=True, check=True)
    assert done.stdout == content


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_zstd_is_zstd(content: bytes) -> None:
    """What was put in, zstd gets out."""
    unpacking = zstandard.ZstdDecompressor().decompressobj()
    assert unpacking.decompress(packed(content, Compression.ZSTD)) == content


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("cores", [1, 3])
def test_cores_and_pieces_have_no_say(
    compression: Compression, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are the same on a machine with more cores, and for pieces of another size."""
    content = CONTENTS["both"]
    here = packed(content, compression)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert packed(content, compression, 77_777) == here


def test_noise_does_not_grow() -> None:
    """What can't be packed costs no more than a thousandth, and text gets small."""
    assert len(packed(CONTENTS["noise"], Compression.GZIP)) < (3 << 20) * 1.001
    assert len(packed(TEXT, Compression.GZIP)) < len(TEXT) / 5
