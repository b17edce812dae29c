"""Which images a pattern or a name means, of those that are here, and what is known of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.admin.values import ImageState, Over
from lreg.errors import LregError, ManifestUnknown
from lreg.oci.reference import DOCKER_HUB, Reference, RepositoryName, Tag, canonical_host
from lreg.upstreams import is_pattern, matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lreg.store.caching import CachingStore, Tagged
    from lreg.upstream.mirror import Mirror

Image = tuple[RepositoryName, Tag, "Tagged"]


async def select(mirror: Mirror, pattern: str) -> list[Image]:
    """Return the tags that are meant.

    Args:
        mirror: the registry.
        pattern: a glob over `host/repository:tag`, or an image: the one that is called so here,
            else the one that Docker means by it.

    Raises:
        ManifestUnknown: there is none.
    """
    for text in [pattern] if is_pattern(pattern) else _names(mirror, pattern):
        # Names begin with what stands before the first wildcard, and have no colon.
        images = await images_of(mirror.local, re.split(r"[*?[:]", text, maxsplit=1)[0])
        if found := [image for image in images if matches(text, name_of(image))]:
            return found
    raise ManifestUnknown(f"no tag here matches {pattern!r:.300}: see `lreg ls`")


async def images_of(store: CachingStore, prefix: str = "") -> list[Image]:
    """Return every tag of the repositories whose names begin so."""
    found = await store.tagged(prefix)
    return [(name, tag, tagged) for name, tags in found.items() for tag, tagged in tags.items()]


def called_here(mirror: Mirror, image: Reference) -> RepositoryName:
    """Return the repository here of an image: its canonical name, a plain one where none is named.

    Raises:
        NameInvalid: its host is none.
    """
    if image.host is None:
        return image.repository
    return mirror.names.upstream_name(canonical_host(image.host), image.repository)


def _names(mirror: Mirror, text: str) -> list[str]:
    """Return how an image may be called here; an image can't be named by its digest."""
    try:
        reference = Reference.parse(text)
        here, familiar = called_here(mirror, reference), reference.familiar()
    except LregError as error:
        raise ManifestUnknown(f"{error}; or give a glob such as 'quay.io/*'") from None
    if reference.digest:
        raise ManifestUnknown(f"{text!r:.300}: give the tag by which the image is here")
    return [f"{here}:{familiar.tag}", str(familiar)]


def name_of(image: Image) -> str:
    """Return `repository:tag`."""
    name, tag, _ = image
    return f"{name}:{tag}"


class Describer:
    """Says what is known of tags.

    Args:
        mirror: the registry.
        tags: those of every repository that is told of, and of those of upstreams whose images
            they might answer for.
    """

    def __init__(self, mirror: Mirror, tags: Mapping[RepositoryName, Mapping[Tag, Tagged]]) -> None:
        self._mirror = mirror
        self._tags = {name.text: found for name, found in tags.items()}

    @classmethod
    async def of(cls, mirror: Mirror, prefix: str) -> Describer:
        """Return the one for the repositories whose names begin with `prefix`."""
        prefixes = [prefix, *(f"{host}/{prefix}" for host in mirror.upstreams if prefix)]
        found = [await mirror.local.tagged(each) for each in prefixes]
        return cls(mirror, {name: tags for each in found for name, tags in each.items()})

    def all(self, prefix: str) -> Iterator[ImageState]:
        """Yield every tag of the repositories whose names begin so, sorted."""
        for name in sorted(name for name in self._tags if name.startswith(prefix)):
            repository, tags = RepositoryName(name), self._tags[name]
            if not tags:
                yield ImageState(name)
            for tag in sorted(tags):
                yield self.one(repository, tag, tags[tag])

    def one(self, name: RepositoryName, tag: Tag, tagged: Tagged) -> ImageState:
        """Return what is known of a tag."""
        record, place = tagged.record, self._mirror.names.place(name)
        over = None
        if place.host and not place.plain and not record.cached:
            over = Over(place.host, str(record.upstream) if record.upstream else None)
        return ImageState(
            repository=name.text,
            tag=tag.text,
            digest=str(tagged.digest),
            origin="cached" if record.cached else "pushed",
            over=over,
            checked=record.checked,
            until=record.until,
            pinned=record.pinned,
            answers_for=self._answers_for(name, tag) if place.plain else (),
            gone=record.gone and record.cached,
        )

    def _answers_for(self, name: RepositoryName, tag: Tag) -> tuple[str, ...]:
        """Return the upstreams whose clients get this plain name's image.

        It answers for every host, but only those are told of that have a repository of this name
        here, and Docker Hub, whose names are plain to many tools.
        """
        likely = [
            host
            for host in self._mirror.upstreams
            if f"{host}/{name}" in self._tags or (host == DOCKER_HUB and name.text.count("/") == 1)
        ]
        return tuple(host for host in sorted(likely) if not self._is_pushed(f"{host}/{name}", tag))

    def _is_pushed(self, name: str, tag: Tag) -> bool:
        tagged = self._tags.get(name, {}).get(tag)
        return tagged is not None and not tagged.record.cached
