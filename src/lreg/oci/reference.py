"""Names of images: repository names, tags, references with Docker's familiar short forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lreg.errors import NameInvalid, ReferenceInvalid, TagInvalid
from lreg.oci.digest import Digest

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# distribution-spec, "Pulling manifests".
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")
_MAX_NAME = 255
# RFC 3986, 3.2.2 and 3.2.3: an IPv6 address stands in brackets; a port may be empty.
_BRACKETED = re.compile(r"\[([^\[\]]*:[^\[\]]*:[^\[\]]*)\](?::[0-9]*)?")
_WITH_PORT = re.compile(r"([^:]*):[0-9]*")

DOCKER_HUB = "docker.io"
# What Docker Hub answers under, and what go-containerregistry and Docker call it.
DOCKER_HUB_ALIASES = frozenset({"registry-1.docker.io", "index.docker.io"})


@dataclass(frozen=True, slots=True, order=True)
class RepositoryName:
    """The name of a repository in a registry, such as `library/alpine`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> RepositoryName:
        """Return the name; raise NameInvalid (distribution-spec, "Pulling manifests")."""
        if len(text) > _MAX_NAME or not _NAME.fullmatch(text):
            raise NameInvalid(
                f"{text!r:.300} is not a repository name: use lower-case letters, digits and "
                f"single separators (. _ -) between slashes, {_MAX_NAME} characters at most",
                detail={"name": text[:300]},
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """A tag, such as `3.8`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Return the tag; raise TagInvalid (distribution-spec, "Pulling manifests")."""
        if not _TAG.fullmatch(text):
            raise TagInvalid(
                f"{text!r:.200} is not a tag: use letters, digits, '.', '_' and '-', "
                "128 characters at most"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


def parse_tag_or_digest(text: str) -> Tag | Digest:
    """Return what stands last in a manifest's URL; raise DigestInvalid or TagInvalid."""
    return Digest.parse(text) if ":" in text else Tag.parse(text)


def is_host(component: str) -> bool:
    """Return whether a name's first component means a host, by Docker's rule."""
    return bool(
        _HOST.fullmatch(component)
        and ("." in component or ":" in component or component == "localhost")
    )


def canonical_host(text: str) -> str:
    """Return the one name of a host that is written in any way; the same for its own result.

    Lower case, without port and brackets; Docker Hub is docker.io. Takes a Host header, the `ns`
    of a request, the first component of a name; what is no host stays none.
    """
    match = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    host = (match[1] if match else text).lower()
    return DOCKER_HUB if host in DOCKER_HUB_ALIASES else host


@dataclass(frozen=True, slots=True)
class Reference:
    """An image: `host/repository:tag@digest`.

    Attributes:
        host: the registry, with its port where one is written, or None where none is.
        repository: the name in that registry.
        tag: the tag or None.
        digest: the digest or None.
    """

    host: str | None
    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return the reference exactly as written, nothing added; raise ReferenceInvalid.

        Raises also NameInvalid, TagInvalid and DigestInvalid for the part that is wrong.
        """
        if not text or text != text.strip():
            raise ReferenceInvalid(f"{text!r:.300} is not an image reference such as alpine:3.8")
        rest, at, digest = text.partition("@")
        head, slash, path = rest.partition("/")
        host = head if slash and is_host(head) else None
        name = path if host else rest
        name, colon, tag = name.partition(":")
        return cls(
            host,
            RepositoryName.parse(name),
            Tag.parse(tag) if colon else None,
            Digest.parse(digest) if at else None,
        )

    def familiar(self) -> Reference:
        """Return the reference as Docker means it: `alpine` is docker.io/library/alpine:latest."""
        host = self.host or DOCKER_HUB
        host = DOCKER_HUB if host in DOCKER_HUB_ALIASES else host
        repository = self.repository
        if host == DOCKER_HUB and "/" not in repository.text:
            repository = RepositoryName(f"library/{repository}")
        return replace(self.tagged(), host=host, repository=repository)

    @property
    def selector(self) -> Tag | Digest:
        """What to ask the registry for: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or Tag("latest")

    def tagged(self) -> Reference:
        """Return the reference with the tag `latest` where it has neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=Tag("latest"))

    def __str__(self) -> str:
        host = f"{self.host}/" if self.host else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{host}{self.repository}{tag}{digest}"
