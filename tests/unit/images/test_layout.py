"""Images added to an OCI layout in a folder."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import UsageError
from lreg.images.carrying import Carried, carried_files
from lreg.images.layout import write_folder
from lreg.oci.manifest import Manifest
from tests.support.images import OCI_INDEX, hello, layout_digests, read_layout, write_layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lreg.oci.descriptor import Descriptor
    from tests.support.images import Image

NAME = "org.opencontainers.image.ref.name"


def add(folder: Path, name: str, made: Image, read: set[str] | None = None) -> None:
    """Add an image to a layout; `read` gets the digests of the blobs that were read."""
    holds = {blob.digest: blob.data for blob in made.blobs}

    def pieces(blob: Descriptor) -> Iterator[bytes]:
        if read is not None:
            read.add(str(blob.digest))
        yield holds[str(blob.digest)]

    carried = Carried((name,) if name else (), (Manifest.parse(made.manifest.data),))
    write_folder(carried_files((carried,), pieces), folder)


def index(folder: Path) -> dict[str, Any]:
    """Return the index of a layout."""
    fields: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
    return fields


def named(folder: Path) -> dict[str, str]:
    """Return the digests in a layout by the names of the images."""
    return {
        entry.get("annotations", {}).get(NAME, ""): entry["digest"]
        for entry in index(folder)["manifests"]
    }


def test_added(tmp_path: Path) -> None:
    """What another tool put there stays, name, fields and content; what comes is beside it."""
    first, second = hello("first"), hello("second")
    write_layout(tmp_path, {"theirs": first})
    fields = index(tmp_path)
    fields["annotations"] = {"a": "b"}
    (tmp_path / "index.json").write_text(json.dumps(fields))
    add(tmp_path, "ours/app:1", second)
    assert named(tmp_path) == {
        "theirs": first.manifest.digest,
        "ours/app:1": second.manifest.digest,
    }
    assert index(tmp_path)["annotations"] == {"a": "b"}
    assert read_layout(tmp_path).keys() == layout_digests(first) | layout_digests(second)


@pytest.mark.parametrize("name", ["ours/app:1", ""])
def test_in_place_of_its_namesake(tmp_path: Path, name: str) -> None:
    """An image takes the name that it has; one without a name is in place of one without."""
    for made in (hello("first"), hello("second")):
        add(tmp_path, "other/app:1", hello("other"))
        add(tmp_path, name, made)
    assert named(tmp_path) == {
        "other/app:1": hello("other").manifest.digest,
        name: hello("second").manifest.digest,
    }


def test_what_is_there_is_not_read(tmp_path: Path) -> None:
    """Content that the layout has is not fetched again; half a file is none."""
    made = hello("first")
    add(tmp_path, "app:1", made)
    torn = tmp_path / "blobs" / made.blobs[1].digest.replace(":", "/")
    torn.write_bytes(made.blobs[1].data[:10])
    read: set[str] = set()
    add(tmp_path, "app:2", made, read)
    assert read == {made.blobs[1].digest}
    assert read_layout(tmp_path).keys() == layout_digests(made)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"schemaVersion": 2, "manifests": [5]}', b" " * (5 << 20)],
)
def test_no_index(tmp_path: Path, content: bytes) -> None:
    """A folder whose index.json is none is left as it is, and said to be none."""
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(UsageError, match="no index of an OCI layout"):
        add(tmp_path, "app:1", hello("first"))
    assert [file.name for file in tmp_path.iterdir()] == ["index.json"]
    assert (tmp_path / "index.json").read_bytes() == content


def test_broken_off(tmp_path: Path) -> None:
    """Where content does not come the index says what it said, and no part of a file is left."""
    add(tmp_path, "app:1", hello("first"))
    before = (tmp_path / "index.json").read_bytes()
    second = hello("second")
    carried = Carried(("app:1",), (Manifest.parse(second.manifest.data),))

    def broken(blob: Descriptor) -> Iterator[bytes]:
        yield b"x"
        raise UsageError(f"no more of {blob.digest}")

    with pytest.raises(UsageError, match="no more of"):
        write_folder(carried_files((carried,), broken), tmp_path)
    assert (tmp_path / "index.json").read_bytes() == before
    assert not [file for file in tmp_path.rglob("*") if file.name.endswith(".part")]


def test_two_at_once(tmp_path: Path) -> None:
    """Of two that add to a layout at the same time none is lost."""
    images = {f"app:{number}": hello(f"app {number}") for number in range(8)}
    threads = [
        threading.Thread(target=add, args=(tmp_path, name, made)) for name, made in images.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert named(tmp_path) == {name: made.manifest.digest for name, made in images.items()}
    assert index(tmp_path)["mediaType"] == OCI_INDEX
