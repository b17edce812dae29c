"""Which images a pattern or a name means, of those that are here, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.admin.values import ImageState, Over
from lreg.errors import LregError, ManifestUnknown
from lreg.oci.reference import DOCKER_HUB, Reference, RepositoryName, Tag
from lreg.upstreams import is_pattern, matches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from lreg.store.caching import Holding, Tagged
    from lreg.upstream.mirror import Mirror

Image = tuple[RepositoryName, Tag, "Tagged"]


def select(pattern: str, holdings: Iterable[Holding]) -> list[Image]:
    """Return the tags that are meant.

    Args:
        pattern: a glob over `host/repository:tag`, or an image: the one that is called so here,
            else the one that Docker means by it.
        holdings: what is here.

    Raises:
        ManifestUnknown: there is none.
    """
    images = tags_of(holdings)
    texts = [pattern] if is_pattern(pattern) else _names(pattern)
    for text in texts:
        if found := [image for image in images if matches(text, name_of(image))]:
            return found
    raise ManifestUnknown(f"no tag here matches {pattern!r:.300}: see `lreg ls`")


def tags_of(holdings: Iterable[Holding]) -> list[Image]:
    """Return every tag."""
    return [(one.repository, tag, held) for one in holdings for tag, held in one.tags.items()]


def _names(text: str) -> list[str]:
    """Return how an image may be called here; an image can't be named by its digest."""
    try:
        reference = Reference.parse(text)
        familiar = reference.familiar()
    except LregError as error:
        raise ManifestUnknown(f"{error}; or give a glob such as 'quay.io/*'") from None
    if reference.digest:
        raise ManifestUnknown(f"{text!r:.300}: give the tag by which the image is here")
    written = f"{reference.host}/" if reference.host else ""
    return [f"{written}{reference.repository}:{familiar.tag}", str(familiar)]


def name_of(image: Image) -> str:
    """Return `repository:tag`."""
    name, tag, _ = image
    return f"{name}:{tag}"


class Describer:
    """Says what is known of tags.

    Args:
        mirror: the registry.
        holdings: everything that is here.
    """

    def __init__(self, mirror: Mirror, holdings: Iterable[Holding]) -> None:
        self._mirror = mirror
        self._tags: Mapping[str, Mapping[Tag, Tagged]] = {
            one.repository.text: one.tags for one in holdings
        }

    def all(self, prefix: str) -> Iterator[ImageState]:
        """Yield every tag of the repositories whose names begin so, sorted."""
        for name in sorted(self._tags):
            if not name.startswith(prefix):
                continue
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
        )

    def _answers_for(self, name: RepositoryName, tag: Tag) -> tuple[str, ...]:
        """Return the upstreams whose clients get this plain name's image.

        It answers for every host, but only those are told of that have a repository of this name
        here, and Docker Hub, whose names are plain to many tools.
        """
        hosts: Collection[str] = self._mirror.upstreams
        likely = [
            host
            for host in hosts
            if f"{host}/{name}" in self._tags or (host == DOCKER_HUB and name.text.count("/") == 1)
        ]
        return tuple(host for host in sorted(likely) if not self._is_pushed(f"{host}/{name}", tag))

    def _is_pushed(self, name: str, tag: Tag) -> bool:
        tagged = self._tags.get(name, {}).get(tag)
        return tagged is not None and not tagged.record.cached
