"""Which texts are names of images, and how sure that is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.oci.reference import Reference, is_host

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_LENGTH = 512
# What can stand in a reference; anything else ends it.
_TOKEN = re.compile(r"[A-Za-z0-9][\w./:@-]*")
# `image: x`, `"sidecarImage": "x"`, `--executor-image=x`, `FOO_IMAGE=x`: what follows the word, the
# value. Every repetition has an end, so that no text takes long.
_KEYED = re.compile(
    r"image([\w.-]{0,60})[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?([A-Za-z0-9][\w./:@-]{0,400})",
    re.IGNORECASE,
)
# In the words of a command: `--worker-image x`.
_OPTION = re.compile(
    r"(?<!\S)--?[A-Za-z][\w-]{0,60}image([\w-]{0,30})[ \t]{1,4}[\"']?([A-Za-z0-9][\w./:@-]{0,400})",
    re.IGNORECASE,
)
# Keys about images whose values are none.
_ABOUT = re.compile(
    r"polic|secret|registr|repo(?!rter)|tag|version|prefix|suffix|digest|sha|arch|size|type|format"
    r"|id$|ids$|count|family|mirror|cache|gc|path|dir$|url$|name(space|prefix)|streams?$",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"\{\{|\$\{|\$\(|\$[A-Za-z_]|<[\w -]+>|%[({]|@[A-Z_]+@")
_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "none"})
# `key:effect` of a taint looks like a name with a tag.
_EFFECTS = frozenset({"NoSchedule", "NoExecute", "PreferNoSchedule"})
# A host that can be told from a file's name or a version: its last label is a word.
_DOMAIN = re.compile(r"[\w.-]*[A-Za-z0-9]\.[A-Za-z]{2,}(:\d+)?|localhost(:\d+)?|[\w.-]+:\d+")


def as_image(text: str) -> Reference | None:
    """Return the reference that a text is, None where it is none."""
    text = text.strip().removeprefix("docker://")
    if not 0 < len(text) <= _MAX_LENGTH or text.lower() in _PLAIN:
        return None
    try:
        return Reference.parse(text)
    except LregError:
        return None


def is_explicit(reference: Reference) -> bool:
    """Return whether it says more than a word: a host, a tag or a digest."""
    return bool(reference.host or reference.tag or reference.digest)


def is_template(text: str) -> bool:
    """Return whether something is to be put into a text before it means anything."""
    return bool(_TEMPLATE.search(text))


def names_image(key: str) -> bool:
    """Return whether the value of a key should be an image: `sidecarImage`, `--x-image`, `A_IMG`.

    Not `imagePullPolicy`, `IMAGE_TAG` and such.
    """
    # The second is what operators under OLM get their images by.
    if key.endswith("_IMG") or key.startswith("RELATED_IMAGE_"):
        return True
    before, word, after = key.lower().rpartition("image")
    return bool(word) and not _ABOUT.search(after) and not before.endswith(("gc-", "pull"))


def images_in(text: str) -> Iterator[tuple[int, Reference]]:
    """Yield what looks like an image in any text, with the offset where it begins.

    That is a name with a host and a tag or digest anywhere; after a key such as `--image=`,
    `--image ` or `FOO_IMAGE=` also one with either.
    """
    keyed: set[int] = set()
    for match in (*_KEYED.finditer(text), *_OPTION.finditer(text)):
        reference = as_image(match[2].rstrip(".:"))
        if not _ABOUT.search(match[1]) and reference and is_explicit(reference):
            keyed.add(match.start(2))
            yield match.start(2), reference
    for match in _TOKEN.finditer(text):
        token = match[0].rstrip(".:")
        reference = as_image(token) if "/" in token and ":" in token else None
        if reference and _is_full(reference) and match.start() not in keyed:
            yield match.start(), reference


def _is_full(reference: Reference) -> bool:
    if reference.digest:
        return bool(reference.host)
    tag = reference.tag
    return bool(reference.host and _DOMAIN.fullmatch(reference.host)) and bool(
        tag and tag.text not in _EFFECTS
    )


def joined(registry: str, name: str, tag: str, digest: str) -> Reference | None:
    """Return the image of a group of fields, None where they make none.

    Args:
        registry: its host, also with a path; "" where the name has it.
        name: the repository.
        tag: the tag or "".
        digest: the digest with or without its algorithm, or "".
    """
    first = name.partition("/")[0]
    if registry and not ("/" in name and is_host(first)):
        name = f"{registry.strip('/')}/{name}"
    if digest and ":" not in digest:
        digest = f"sha256:{digest}"
    return as_image(f"{name}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}")
