"""Everything that a registry shows of its tree, in a form that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.images import sha256
from tests.support.wire import ACCEPT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.wire import Answer, Wire

_ROOT = "docker/registry/v2"
# What clients act upon; Date, caching hints and the like may differ.
_HEADERS = ("content-type", "content-length", "docker-content-digest", "etag")


@dataclass(frozen=True, slots=True)
class Places:
    """What one repository's folder names, whether it is still there or not."""

    revisions: frozenset[str]
    layers: frozenset[str]


def places(store: Path) -> dict[str, Places]:
    """Return what a tree on disk names, by repository."""
    root = store / _ROOT / "repositories"
    found = {each.parent for kind in ("_manifests", "_layers") for each in root.rglob(kind)}
    return {
        str(folder.relative_to(root)): Places(
            frozenset(_digests(folder / "_manifests/revisions")),
            frozenset(_digests(folder / "_layers")),
        )
        for folder in sorted(found)
    }


def _digests(folder: Path) -> set[str]:
    return {f"{each.parent.name}:{each.name}" for each in folder.glob("*/*")}


def files(store: Path) -> dict[str, str]:
    """Return every file of distribution's tree and the digest of its content."""
    root = store / _ROOT
    found = (each for each in root.rglob("*") if each.is_file())
    return {str(each.relative_to(root)): sha256(each.read_bytes()) for each in found}


def survey(wire: Wire, named: Mapping[str, Places]) -> dict[str, object]:
    """Ask for everything that `places` returned, and for the listings; return the answers."""
    told: dict[str, object] = {"catalog": wire.repositories()}
    for repository, here in named.items():
        tags = wire.tags(repository)
        told[f"{repository} tags"] = sorted(tags)
        for reference in (*tags, *here.revisions):
            path = f"/v2/{repository}/manifests/{reference}"
            told |= _look(wire, path, ACCEPT)
        for digest in here.layers:
            told |= _look(wire, f"/v2/{repository}/blobs/{digest}", {})
    return told


def _look(wire: Wire, path: str, headers: Mapping[str, str]) -> dict[str, object]:
    return {
        f"{method} {path}": _essence(wire.ask(method, path, headers=headers))
        for method in ("GET", "HEAD")
    }


def _essence(answer: Answer) -> object:
    if answer.status == 200:
        shown = {name: answer.headers.get(name) for name in _HEADERS}
        return answer.status, shown, sha256(answer.body)
    code = answer.json()["errors"][0]["code"] if answer.body else None
    return answer.status, code
