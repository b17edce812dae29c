"""Which images commands that carry them are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.cli.carry import Wanted
from lreg.cli.naming import repository_of
from lreg.oci.reference import Reference, Tag, canonical_host

if TYPE_CHECKING:
    from lreg.cli.remote import Registries


def as_named(registries: Registries, text: str, called: str | None = None) -> Wanted:
    """Return the image that an argument names, in whichever registry.

    It is called as there: an image of the registry here keeps its name without that registry's.

    Args:
        registries: those of the command.
        text: the reference.
        called: what it is to be called instead.
    """
    source = registries.complete(registries.parse(text))
    if called:
        name = Reference.parse(called)
        return Wanted(source, str(name if name.tag else replace(name, tag=Tag("latest"))))
    is_local = source.host == registries.local_host
    return Wanted(source, _name(replace(source, host=None if is_local else source.host)))


def as_cached(registries: Registries, text: str) -> Wanted:
    """Return the image that manifests mean by a name: the registry here has it under its host.

    A name without a host is looked for as it is.
    """
    named = Reference.parse(text)
    host = canonical_host(named.host or "")
    if host and named.host != registries.local_host:
        full = named.familiar()
        source = Reference(registries.local_host, repository_of(full), full.tag, full.digest)
        return Wanted(source, _name(replace(full, host=host)))
    return as_named(registries, text)


def _name(reference: Reference) -> str:
    return str(replace(reference, digest=None) if reference.tag else reference)
