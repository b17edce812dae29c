"""Which image a request means: names become canonical before anything is looked up.

A repository of an upstream is kept under its full name, `docker.io/library/alpine`, however it was
asked for: by `?ns=` (distribution-spec, "Registry Proxying"), by a path that begins with the
host, or by a Host header or TLS server name that names the upstream because its name was spoofed.
In that order; what none of them tells is a plain name, of this registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lreg.errors import NameInvalid
from lreg.oci.reference import DOCKER_HUB, RepositoryName, canonical_host, is_host

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Place:
    """Where the content of a canonical name may come from.

    Attributes:
        name: the canonical name.
        host: the upstream it belongs to; None: none, or one that is not on the list.
        path: the repository's name at that upstream, or in this registry.
        plain: whether it is a name of this registry; then `host` may have it, where it is not here.
    """

    name: RepositoryName
    host: str | None
    path: RepositoryName
    plain: bool


class Names:
    """The rules by which names are read.

    Args:
        allowed: the upstreams' canonical hosts. A namespace is a key into this list, never an
            address to dial.
        default: the upstream that a plain name means where it is not here; "": none.
    """

    def __init__(self, allowed: Collection[str], default: str) -> None:
        self._allowed = frozenset(allowed)
        self._default = default
        # Clients ask for the same few names again and again.
        self.canonical = lru_cache(maxsize=4096)(self._canonical)
        self.place = lru_cache(maxsize=4096)(self._place)

    def _canonical(self, name: RepositoryName, query: str, host: str) -> RepositoryName:
        """Return the canonical name of what a request calls `name`.

        Args:
            name: as in the path.
            query: the request's query, with `ns` in it or not.
            host: by which name it means us: see `addressee`.

        Raises:
            NameInvalid: the namespace is not a host.
        """
        return self._read(name, query, host)[1]

    def sign(self, name: RepositoryName, query: str, host: str) -> str:
        """Return what tells the namespace of a request: `ns`, `path`, `host`; "": nothing does.

        The arguments are those of `canonical`, and so is what it raises.
        """
        return self._read(name, query, host)[0]

    def _read(self, name: RepositoryName, query: str, host: str) -> tuple[str, RepositoryName]:
        asked = canonical_host(host)
        if (namespace := namespace_of(query)) and (named := canonical_host(namespace)) != asked:
            return "ns", self._under(named, name)
        first, slash, rest = name.text.partition("/")
        if slash and is_host(first):
            # A component has no upper case, no port and no brackets: only aliases are folded.
            return "path", self._under(canonical_host(first), RepositoryName(rest))
        return ("host", self._under(asked, name)) if asked in self._allowed else ("", name)

    def addressee(self, host: str, server_name: str) -> str:
        """Return by which name a client means us: that in TLS where only it is an upstream's.

        Args:
            host: the Host header; "" where there is none.
            server_name: what the client's TLS hello says; "" where it says nothing.
        """
        if not server_name or canonical_host(host) in self._allowed:
            return host
        return server_name if canonical_host(server_name) in self._allowed else host

    def _place(self, name: RepositoryName) -> Place:
        """Return what a canonical name means."""
        first, slash, rest = name.text.partition("/")
        if slash and is_host(first):
            host = first if first in self._allowed else None
            return Place(name, host, RepositoryName(rest), plain=False)
        # Docker Hub has no longer names: asking it would only tell it of private ones.
        fits = self._default != DOCKER_HUB or rest.count("/") == 0
        return Place(name, self._default or None if fits else None, name, plain=True)

    def upstream_name(self, host: str, path: RepositoryName) -> RepositoryName:
        """Return the canonical name of a repository of an upstream."""
        return self._under(host, path)

    @staticmethod
    def _under(host: str, name: RepositoryName) -> RepositoryName:
        # BuildKit, and containerd with a path of its own, say the host in both places.
        first, slash, rest = name.text.partition("/")
        path = rest if slash and is_host(first) and canonical_host(first) == host else name.text
        if host == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        try:
            return RepositoryName.parse(f"{host}/{path}")
        except NameInvalid:
            raise NameInvalid(f"{host!r:.300} is not the namespace of a registry") from None


def namespace_of(query: str) -> str:
    """Return what `ns` says in a request's query (distribution-spec, "Registry Proxying")."""
    if "ns=" not in query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return next((unquote(value) for name, _, value in pairs if name == "ns"), "")
