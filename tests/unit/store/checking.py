"""What must hold in a store's folder whatever happened, read from the files alone."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DATA = re.compile(r"blobs/(sha256|sha512)/(..)/(\2[0-9a-f]+)/data")


def check(root: Path) -> dict[str, str]:
    """Return every link in the tree and its target; fail where anything is not whole."""
    tree = root / "docker/registry/v2"
    blobs: set[str] = set()
    links: dict[str, str] = {}
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), tree)
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            if found := _DATA.fullmatch(path):
                algorithm, _, encoded = found.groups()
                assert hashlib.new(algorithm, content).hexdigest() == encoded, path
                blobs.add(f"{algorithm}:{encoded}")
            elif name not in ("fetched", "lreg.json"):
                assert name == "link", f"{path} does not belong here"
                links[path] = content.decode()
    for path, target in links.items():
        assert target in blobs, f"{path} points at nothing"
        home, _, rest = path.partition("/_manifests/tags/")
        if rest.endswith("/current/link"):
            revision = f"{home}/_manifests/revisions/{target.replace(':', '/')}/link"
            assert revision in links, f"{path} points at a manifest that is not there"
            tag = rest.removesuffix("/current/link")
            indexed = f"{home}/_manifests/tags/{tag}/index/{target.replace(':', '/')}/link"
            assert indexed in links, f"{path} is not in its tag's index"
        elif not rest:
            assert path.endswith(f"/{target.replace(':', '/')}/link"), path
    return links
