"""What manifests name, found in their bytes: whatever kind they are, nothing is overlooked.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

from lreg.errors import RegistryError
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.store import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lreg.oci.descriptor import Descriptor
    from lreg.store.layout import RepositoryPaths
    from lreg.store.tree import Tree

_DIGEST = re.compile(rb"sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})")


def named_in(raw: bytes) -> set[Digest]:
    """Return every digest that is written anywhere in a manifest."""
    if b"\\u" in raw:  # JSON may write any character so
        with contextlib.suppress(ValueError, RecursionError):
            raw = json.dumps(json.loads(raw)).encode()
    return {Digest.parse(text.decode()) for text in _DIGEST.findall(raw)}


def content(tree: Tree, paths: RepositoryPaths, digest: Digest) -> bytes | None:
    """Return the bytes of a manifest that a repository holds."""
    link = tree.read_link(paths.revision(digest))
    return files.read_file(tree.layout.blob(link.target)) if link else None


def contents(tree: Tree, paths: RepositoryPaths, digest: Digest, *, lists: bool) -> list[bytes]:
    """Return the bytes of a manifest that a repository holds, nothing of what is none.

    Args:
        tree: where the repository lies.
        paths: the repository's.
        digest: the manifest's.
        lists: whether to add upstream's list of what refers to it.
    """
    aside = files.read_file(paths.referrers(digest)) if lists else None
    return [raw for raw in (content(tree, paths, digest), aside) if raw is not None]


def closure(digests: Iterable[Digest], read: Callable[[Digest], Iterable[bytes]]) -> set[Digest]:
    """Return the manifests and all that they name, and what the manifests among that name.

    Args:
        digests: the manifests.
        read: gives the bytes in which a manifest names something; nothing for what is none.
    """
    found: set[Digest] = set(digests)
    waiting = list(found)
    while waiting:
        for raw in read(waiting.pop()):
            more = named_in(raw) - found
            found |= more
            waiting += more
    return found


def descriptor_of(tree: Tree, paths: RepositoryPaths, digest: Digest) -> Descriptor | None:
    """Return how a manifest of the repository names the blob."""
    for revision in tree.linked(paths.revisions):
        raw = content(tree, paths, revision)
        if raw is None or (digest.hex.encode() not in raw and b"\\u" not in raw):
            continue
        with contextlib.suppress(RegistryError):
            for blob in Manifest.parse(raw, algorithm=revision.algorithm).blobs:
                if blob.digest == digest:
                    return blob
    return None
