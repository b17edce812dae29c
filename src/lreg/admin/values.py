"""What is asked and answered in one body."""

from __future__ import annotations

from msgspec import Struct

PREFIX = "/lreg/v1"
# In a list of platforms: every one of the index.
ALL_PLATFORMS = "all"
# `lreg-canary/<nonce>` is a canary at every upstream; a nonce is 32 hexadecimal digits.
CANARY = "lreg-canary"


class About(Struct, frozen=True):
    """What the registry is.

    Attributes:
        version: lreg's.
        default_upstream: what a plain name means that is not there; "" for nothing.
        upstreams: the hosts whose images it caches.
        offline: whether it never dials them.
    """

    version: str
    default_upstream: str = ""
    upstreams: tuple[str, ...] = ()
    offline: bool = False


class Over(Struct, frozen=True):
    """What an own version stands in front of.

    Attributes:
        host: the upstream.
        digest: what its tag meant when it was last asked; None: it never was.
    """

    host: str
    digest: str | None = None


class ImageState(Struct, frozen=True):
    """One tag; or a repository that has none, its `tag` and `digest` None.

    Attributes:
        repository: its name in the registry, an upstream's host in front.
        origin: `pushed`, `cached`, or "" where there is no tag.
        over: the upstream whose tag a pushed one stands in front of.
        checked: when upstream was last asked, in seconds since 1970; 0: never.
        until: when an own version ends, likewise; None: never.
        pinned: whether it is never evicted.
        answers_for: the upstreams that a pushed plain name answers for.
        gone: whether upstream had no such tag any more when it was last asked.
    """

    repository: str
    tag: str | None = None
    digest: str | None = None
    origin: str = ""
    over: Over | None = None
    checked: float = 0.0
    until: float | None = None
    pinned: bool = False
    answers_for: tuple[str, ...] = ()
    gone: bool = False

    @property
    def name(self) -> str:
        """`repository:tag`, or the repository alone."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository


class Images(Struct, frozen=True):
    """Some tags, sorted by repository and tag."""

    images: tuple[ImageState, ...]


class Wanted(Struct, frozen=True):
    """An image that is to be brought, or should be there.

    Attributes:
        image: its name as Docker means it; with a tag and a digest: the tag is to mean that.
        platforms: which images of an index; ("all",) for each; () for what the registry is set to.
    """

    image: str
    platforms: tuple[str, ...] = ()


class WantedImages(Struct, frozen=True):
    """Images that are to be brought, or should be there.

    Attributes:
        images: the images.
        jobs: how many of them may be on their way at a time.
        referrers: whether to bring what refers to them too: signatures, SBOMs.
    """

    images: tuple[Wanted, ...]
    jobs: int = 4
    referrers: bool = False


class Missing(Struct, frozen=True):
    """An image that is not wholly there, and what of it is not."""

    image: str
    why: str


class MissingImages(Struct, frozen=True):
    """What is not wholly there."""

    missing: tuple[Missing, ...]


class Pattern(Struct, frozen=True):
    """Which images: a glob over `host/repository:tag`, or one image's name."""

    pattern: str = ""


class Trouble(Struct, frozen=True):
    """An image, and why something could not be done for it."""

    image: str
    why: str


class Refreshed(Struct, frozen=True):
    """What upstream was asked about: which tags moved, how many did not, and what failed."""

    moved: tuple[str, ...] = ()
    same: int = 0
    failed: tuple[Trouble, ...] = ()


class Touched(Struct, frozen=True):
    """The images that were pinned, unpinned or evicted, and how many bytes that freed."""

    images: tuple[str, ...] = ()
    freed: int = 0


class Override(Struct, frozen=True):
    """An own version: the image it is of, and until when it counts, in seconds since 1970."""

    image: str
    until: float | None = None


class Adoption(Struct, frozen=True):
    """An image of an upstream that was brought by hand: what its tag is to mean, which is here."""

    image: str
    digest: str


class Share(Struct, frozen=True):
    """What a part of the store takes.

    Attributes:
        name: of the part.
        size: its bytes, each piece of content counted once.
        shared: how many of those another part of the same kind holds as well.
    """

    name: str
    size: int
    shared: int = 0


class Usage(Struct, frozen=True):
    """What the store takes, in bytes; each piece of content counted once.

    Attributes:
        total: all of it.
        limit: the setting cache-size; 0 for none.
        evictable: what may go when that is reached.
        origins: `pushed`, with all that pushed images need; `cached`; `pinned`, of the cached ones.
        upstreams: by host; "" for plain names.
        repositories: by name.
    """

    total: int
    limit: int = 0
    evictable: int = 0
    origins: tuple[Share, ...] = ()
    upstreams: tuple[Share, ...] = ()
    repositories: tuple[Share, ...] = ()


class Pull(Struct, frozen=True):
    """An image that somebody asked for.

    Attributes:
        time: when, in seconds since 1970.
        client: the address it was asked from.
        agent: its User-Agent.
        repository: the name in the registry, an upstream's host in front.
        digest: what it got.
        tag: what it asked for; None: for the digest.
        namespace: the host that it named in `?ns=`.
        platforms: which images of an index it took.
    """

    time: float
    client: str
    agent: str
    repository: str
    digest: str
    tag: str | None = None
    namespace: str | None = None
    platforms: tuple[str, ...] = ()


class UpstreamState(Struct, frozen=True):
    """An upstream and how it is.

    Attributes:
        host: its name.
        state: `ok`, `unknown`, `unreachable` or `refusing`; `offline` where it is never dialled.
        reason: why it is not ok, in a sentence.
        latency: of the last exchange, in seconds.
        credentials: in words, without any secret.
        address: what is dialled instead of the host.
        remaining: how many pulls its quota leaves; None: it has told of none.
        limit: how many its quota allows.
        readers: `all`, or `authenticated`.
    """

    host: str
    state: str
    reason: str = ""
    latency: float | None = None
    credentials: str = ""
    address: str = ""
    remaining: int | None = None
    limit: int | None = None
    readers: str = "all"


class Upstreams(Struct, frozen=True):
    """The upstreams, sorted by host."""

    upstreams: tuple[UpstreamState, ...]


class Check(Struct, frozen=True):
    """Which upstream to ask how it is; every one where no host is named."""

    host: str = ""


class Sighting(Struct, frozen=True):
    """A request for a canary.

    Attributes:
        time: when it came, in seconds since 1970.
        method: GET, say.
        asked: what of the repository: `manifests/latest`, say.
        namespace: the upstream that it meant; "" for none.
        named: what told that: `ns`, `path`, `host`, `server-name`, or "" for the default upstream.
        peer: the client's address and port.
        agent: its User-Agent.
        tls: whether the connection was encrypted.
    """

    time: float
    method: str
    asked: str
    namespace: str
    named: str
    peer: str
    agent: str = ""
    tls: bool = False


class Sightings(Struct, frozen=True):
    """The requests for the canary of one nonce, oldest first."""

    seen: tuple[Sighting, ...] = ()
