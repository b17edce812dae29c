"""Another program that writes into a store's tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lreg.oci.digest import Digest
from lreg.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


class Distribution:
    """Writes as distribution does: in place, and with no thought for who reads."""

    def __init__(self, root: Path | str, name: str) -> None:
        self.layout = Layout(str(root))
        self.paths = self.layout.repository(name)

    def write(self, path: str, content: bytes) -> None:
        """Write a file in place."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def blob(self, content: bytes) -> Digest:
        """Push a blob."""
        digest = Digest.of(content)
        self.write(self.layout.blob(digest), content)
        self.write(self.paths.layer(digest), str(digest).encode())
        return digest

    def manifest(self, content: bytes, tag: str) -> Digest:
        """Push a manifest under a tag."""
        digest = Digest.of(content)
        link = str(digest).encode()
        self.write(self.layout.blob(digest), content)
        self.write(self.paths.revision(digest), link)
        self.write(self.paths.indexed(tag, digest), link)
        self.write(self.paths.current(tag), link)
        return digest
