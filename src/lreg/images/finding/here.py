"""Where in a document the walk through it is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lreg.images.finding.groups import Defaults

_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_NAME = re.compile(r"[\w-]+")
_NOTHING = Defaults()


@dataclass(frozen=True, slots=True)
class Here:
    """Where in a document the walk is.

    Attributes:
        label: the nearest object: `Deployment/web`.
        path: the way from there.
        key: the last key of it.
        sure: whether what `image` names here is one.
        container: whether this is a container of a pod, or a service of a compose file.
        rendered: whether this is a part of what a controller renders.
        depth: how deep in the tree.
        embedded: how many texts that are documents themselves are around it.
        defaults: what the fields around say.
    """

    label: str = ""
    path: str = ""
    key: str = ""
    sure: bool = False
    container: bool = False
    rendered: bool = False
    depth: int = 0
    embedded: int = 0
    defaults: Defaults = _NOTHING

    def field(self, key: str) -> Here:
        """Return the place of a field."""
        name = key if _NAME.fullmatch(key) else f"[{key}]"
        dot = "." if self.path and not name.startswith("[") else ""
        path = f"{self.path}{dot}{name}"
        return replace(self, path=path, key=key, container=False, depth=self.depth + 1)

    def item(self, number: int) -> Here:
        """Return the place of an item of a list; a list of containers holds containers."""
        container = self.key in _CONTAINERS
        path = f"{self.path}[{number}]"
        return replace(self, path=path, container=container, depth=self.depth + 1)
