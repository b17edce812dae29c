"""crio.conf and its drop-ins: of the files that set a key the last one counts (crio.conf.d(5))."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import tomlkit

from lreg.node.merging.documents import meaning
from lreg.node.paths import CRIO_CONF
from lreg.node.plan import Merge, NodeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lreg.node.merging.draft import Draft

_FOLDER = f"{CRIO_CONF}.d"


def settled(files: Iterable[NodeFile], draft: Draft) -> list[NodeFile]:
    """Return the files so that each setting goes where the last word on it is spoken.

    Raises:
        LregError: a file that CRI-O reads is not valid.
    """
    return [each for file in files for each in _spread(file, draft)]


def last_words(draft: Draft) -> dict[str, tuple[str, Any]]:
    """Return each setting of images that is in force: the file that has it, and its value.

    Raises:
        LregError: a file that CRI-O reads is not valid.
    """
    found = dict[str, tuple[str, Any]]()
    for path in (CRIO_CONF, *draft.matching(f"{_FOLDER}/*")):
        text = draft.read(path) or ""
        values = _of_images(meaning(text, Merge.TOML, draft.where(path)))
        found |= {key: (path, value) for key, value in values.items()}
    return found


def _of_images(values: Mapping[str, Any]) -> dict[str, Any]:
    part = values.get("crio", {})
    found = part.get("image", {}) if isinstance(part, dict) else {}
    return found if isinstance(found, dict) else {}


def _spread(file: NodeFile, draft: Draft) -> Iterator[NodeFile]:
    if file.path != CRIO_CONF and not file.path.startswith(f"{_FOLDER}/"):
        yield file
        return
    parts = dict[str, dict[str, Any]]()
    words = last_words(draft)
    for key, value in _of_images(meaning(file.text, Merge.TOML, file.path)).items():
        path, _ = words.get(key, ("", None))
        parts.setdefault(path if _is_later(path, file.path) else file.path, {})[key] = value
    for path, values in parts.items():
        if parts.keys() == {file.path}:
            yield file
        else:
            text = tomlkit.dumps({"crio": {"image": values}})
            yield replace(file, path=path, text=text, merge=Merge.TOML)


def _is_later(one: str, other: str) -> bool:
    """Return whether one file is read after another: the main one is the first."""
    return one.startswith(f"{_FOLDER}/") and (other == CRIO_CONF or one > other)
