"""Lock files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import UsageError
from lreg.images.lock import Locked, read, write
from lreg.oci.digest import Digest
from lreg.oci.platform import Platform
from lreg.oci.reference import RepositoryName, Tag

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST = Digest.of(b"x")
_ALPINE = Locked(
    RepositoryName("docker.io/library/alpine"),
    Tag("3.8"),
    _DIGEST,
    (Platform("linux", "amd64"), Platform("linux", "arm", "v7")),
)
_OWN = Locked(RepositoryName("mine/hello"), None, _DIGEST)


def test_toml(tmp_path: Path) -> None:
    """A lock file is TOML that a person reads: one table an image, sorted by name."""
    file = tmp_path / "images.lock"
    write(file, [_OWN, _ALPINE])
    assert file.read_text() == (
        "# What `lreg cache --lock` brings and `lreg missing --lock` looks for.\n"
        "\n"
        "[[image]]\n"
        'name = "docker.io/library/alpine"\n'
        'tag = "3.8"\n'
        f'digest = "{_DIGEST}"\n'
        'platforms = ["linux/amd64", "linux/arm/v7"]\n'
        "\n"
        "[[image]]\n"
        'name = "mine/hello"\n'
        f'digest = "{_DIGEST}"\n'
    )
    assert read(file) == (_ALPINE, _OWN)


def test_json(tmp_path: Path) -> None:
    """A name that ends in .json makes it JSON; read is either, whatever its name."""
    file = tmp_path / "images.json"
    write(file, [_ALPINE, _OWN])
    assert file.read_text().startswith('{\n  "image": [\n    {\n      "name": "docker.io/library')
    assert read(file) == (_ALPINE, _OWN)
    assert read(file.rename(tmp_path / "images.lock")) == (_ALPINE, _OWN)


@pytest.mark.parametrize("name", ["lock.toml", "lock.json"])
def test_stable(tmp_path: Path, name: str) -> None:
    """The same images make the same text, in whatever order and however often they are named."""
    one, other = tmp_path / f"1{name}", tmp_path / f"2{name}"
    write(one, [_OWN, _ALPINE])
    write(other, [_ALPINE, _OWN, _ALPINE])
    assert one.read_bytes() == other.read_bytes()


def test_empty(tmp_path: Path) -> None:
    """Nothing pulled is an empty lock file, not an error."""
    file = tmp_path / "images.lock"
    write(file, [])
    assert read(file) == ()


def test_reference() -> None:
    """An image of an upstream has its host apart, one of the registry's own has none."""
    assert str(_ALPINE.reference) == f"docker.io/library/alpine:3.8@{_DIGEST}"
    assert _ALPINE.reference.host == "docker.io"
    assert (_OWN.reference.host, str(_OWN.reference)) == (None, f"mine/hello@{_DIGEST}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[image", "neither TOML nor JSON"),
        ("{", "neither TOML nor JSON"),
        ("[other]", "nothing else"),
        ("image = 1", "nothing else"),
        ("image = [1]", "image 1: it is no table"),
        ('[[image]]\nname = "a"', "image 1: '' is not a sha256"),
        ('[[image]]\nname = "A"\ndigest = "x"', "image 1: 'A' is not a repository name"),
        ('[[image]]\nnames = "a"', "unknown key 'names'"),
        ('[[image]]\nname = "a"\nplatforms = "linux/amd64"', "platforms is no list"),
    ],
)
def test_wrong(tmp_path: Path, text: str, says: str) -> None:
    """What is wrong with a lock file is said with its name and the image's number."""
    file = tmp_path / "images.lock"
    file.write_text(text)
    with pytest.raises(UsageError, match=says) as raised:
        read(file)
    assert str(file) in str(raised.value)


def test_not_there(tmp_path: Path) -> None:
    """A lock file that is not there, or can't be written, is one line."""
    with pytest.raises(UsageError, match="can't be read: No such file"):
        read(tmp_path / "images.lock")
    with pytest.raises(UsageError, match="can't be written: No such file"):
        write(tmp_path / "no" / "images.lock", [])
