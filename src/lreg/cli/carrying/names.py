"""Which images commands that carry them are asked for, and what these are called elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lreg.cli.registries.naming import repository_of
from lreg.errors import Denied, Unauthorized
from lreg.oci.reference import Reference, Tag, is_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lreg.admin.values import ImageState
    from lreg.cli.registries.remote import Registries
    from lreg.client.admin import Admin


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image that is to be carried.

    Attributes:
        source: where it is, the registry named.
        name: what it is to be called: a reference with a tag, or with a digest.
        is_cached: whether its tag there is upstream's to change.
    """

    source: Reference
    name: str
    is_cached: bool = False


async def named_image(registries: Registries, text: str, called: str | None = None) -> NamedImage:
    """Return the image that an argument names.

    It is called so elsewhere too: an image of the registry here without that registry's host.

    Args:
        registries: those of the command.
        text: the reference.
        called: what it is to be called instead.

    Raises:
        as `Registries.locate`.
    """
    source = await registries.locate(text)
    if called:
        name = Reference.parse(called)
        return NamedImage(source, str(name if name.tag else replace(name, tag=Tag("latest"))))
    named = registries.parse(text).tagged()
    is_local = named.host == registries.local_host
    return NamedImage(source, _name(replace(named, host=None if is_local else named.host)))


async def as_known(registries: Registries, wanted: Sequence[NamedImage]) -> list[NamedImage]:
    """Return images that were asked for a moment ago with what an lreg here knows of their tags.

    That is whether they are cached. A plain name that means the default upstream's image gets the
    whole name: that is what nodes ask for.
    """
    here = [one for one in wanted if one.source.host == registries.local_host and one.source.tag]
    if not here or (admin := await registries.admin()) is None:
        return list(wanted)
    try:
        known = await _states(admin, (one.source for one in here))
        full = {one: _upstreams(one.source, admin.about.default_upstream) for one in here}
        plain = [there for one, there in full.items() if there and _key(one.source) not in known]
        known |= await _states(admin, plain)
    # Names and tags are for everybody; what is known of them only for who may log in.
    except (Denied, Unauthorized):
        return list(wanted)
    return [_known(one, full.get(one), known) for one in wanted]


def _known(
    one: NamedImage, full: Reference | None, known: dict[tuple[str, str], ImageState]
) -> NamedImage:
    if state := known.get(_key(one.source)):
        return replace(one, is_cached=state.origin == "cached")
    is_called_so = one.name == _name(replace(one.source, host=None))
    if full and is_called_so and (state := known.get(_key(full))):
        return NamedImage(one.source, f"{full.repository}:{full.tag}", state.origin == "cached")
    return one


def _upstreams(source: Reference, host: str) -> Reference | None:
    """Return where the registry here keeps what a plain name means at an upstream; or None."""
    first, slash, _ = source.repository.text.partition("/")
    if not host or (slash and is_host(first)):
        return None
    full = replace(source, host=host).familiar()
    return replace(full, host=source.host, repository=repository_of(full))


async def _states(admin: Admin, places: Iterable[Reference]) -> dict[tuple[str, str], ImageState]:
    names = [place.repository.text for place in places]
    states = await admin.images(os.path.commonpath(names)) if names else ()
    return {(state.repository, state.tag): state for state in states if state.tag}


def _key(place: Reference) -> tuple[str, str]:
    return place.repository.text, str(place.tag)


def _name(reference: Reference) -> str:
    return str(replace(reference, digest=None) if reference.tag else reference)
