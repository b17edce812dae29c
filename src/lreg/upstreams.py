"""Where images may come from, and how fresh they must be: the tables of `lreg.toml`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from lreg.errors import UsageError
from lreg.kinds import (
    ADDRESS,
    HELPER,
    PATH,
    PLATFORM,
    PREFIX,
    PROXY,
    READERS,
    SIZE,
    SWITCH,
    USER,
    Kind,
    parse_duration,
    parse_upstream,
    show_duration,
)
from lreg.oci.reference import DOCKER_HUB
from lreg.settings import read_table, required, said_of, setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lreg.oci.platform import Platform

# The registries that public images are named after.
PUBLIC = (
    DOCKER_HUB,
    "registry.k8s.io",
    # What registry.k8s.io was called before; it redirects there.
    "k8s.gcr.io",
    "gcr.io",
    "quay.io",
    "ghcr.io",
    "registry.nordix.org",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.gitlab.com",
    "nvcr.io",
)
_HTTPS_PORT = "443"

Mode = Literal["seconds", "immutable", "always", "offline"]


@dataclass(frozen=True, slots=True)
class Ttl:
    """How long a cached tag is believed before upstream is asked what it means.

    Attributes:
        mode: `seconds`: for so long; `immutable`: for ever once it is here; `always`: upstream is
            asked at every pull; `offline`: upstream is never dialled for it, here or not.
        seconds: for how long; 0 in the other modes.
    """

    mode: Mode
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Ttl:
        """Return the ttl; raise UsageError."""
        for mode in get_args(Mode):
            if text == mode != "seconds":
                return cls(mode)
        try:
            return cls("seconds", parse_duration(text))
        except UsageError:
            raise UsageError(
                f"{text!r} is neither a duration such as 10m nor immutable, always or offline"
            ) from None

    def __str__(self) -> str:
        return show_duration(self.seconds) if self.mode == "seconds" else self.mode


def is_pattern(text: str) -> bool:
    """Return whether a text may match another than itself."""
    return any(each in text for each in "*?[")


def matches(pattern: str, text: str) -> bool:
    """Return whether a glob means an image, written `host/repository:tag`.

    `*` is any text, slashes and colons too, `?` one character, `[abc]` one of these.
    """
    return fnmatchcase(text, pattern)


def _pattern(text: str, _: Path) -> str:
    if not is_pattern(text) and ":" not in text.rpartition("/")[2]:
        raise UsageError(f"{text!r} has no tag, so that it matches nothing: add :TAG or :*")
    return text


@dataclass(frozen=True, slots=True)
class FreshnessRule:
    """How long the tags of some images are believed; the first rule that matches counts."""

    match: str = required(
        Kind("glob", _pattern),
        "Which images: a glob over host/repository:tag, in which * means slashes too.",
    )
    ttl: Ttl = required(
        Kind("ttl", lambda text, _: Ttl.parse(text)),
        "A duration; immutable: never ask again; always: ask at every pull; offline: never dial.",
    )

    def matches(self, text: str) -> bool:
        """Return whether it is about an image, written `host/repository:tag`."""
        return matches(self.match, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """What is set for one upstream.

    Attributes:
        host: its canonical name, by which requests and references name it.
    """

    host: str
    allow: bool = setting(SWITCH, "Whether it may be asked; false takes it off the list.", "true")
    address: str = setting(
        ADDRESS,
        "What to dial in its place: HOST, HOST:PORT or a URL.",
        str,
        default_doc="the host itself",
    )
    plain_http: bool = setting(SWITCH, "Speak HTTP without TLS to it.", "false")
    ca: Path | None = setting(PATH, "Trust this certificate authority, PEM, for it.")
    username: str = setting(USER, "Who to be there; with password-file.", str)
    password_file: Path | None = setting(PATH, "A file that holds the password of username.")
    credential_helper: str = setting(
        HELPER,
        "NAME of a program docker-credential-NAME; docker: the credential files of this user.",
        str,
    )
    path: str = setting(
        PREFIX, "What comes before a repository's name there, such as proxy/docker.", str
    )
    proxy: str = setting(
        PROXY,
        "How to get there: http://USER:PASSWORD@HOST:PORT, or none for no proxy.",
        str,
        default_doc="HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment",
    )
    rate_floor: int = setting(
        SIZE,
        "Bytes a second; a download that is slower for upstream-stall is taken up anew; 0: none.",
        "1KB",
    )
    platforms: tuple[Platform, ...] = setting(
        PLATFORM,
        "What `lreg cache` brings of its images.",
        tuple,
        default_doc="this machine's",
        many=True,
    )
    readers: str = setting(
        READERS, "Who may read what is cached of it: all who may read here, or users only.", "all"
    )
    offline: bool = setting(SWITCH, "Never dial it: what is cached is all there is.", "false")

    def __post_init__(self) -> None:
        if bool(self.username) != bool(self.password_file):
            raise UsageError("username and password-file belong together: set both or neither")
        if self.username and self.credential_helper:
            raise UsageError("credentials come from one place: username or credential-helper")
        if self.plain_http and self.address.startswith("https://"):
            raise UsageError("address says https and plain-http says http: leave one out")
        if self.ca and (self.plain_http or self.address.startswith("http://")):
            raise UsageError("there is no certificate in plain HTTP: leave ca out")


def public_upstreams() -> Mapping[str, UpstreamSettings]:
    """Return the upstreams that may be asked where nothing is set, by canonical host."""
    return MappingProxyType({host: UpstreamSettings(host=host) for host in PUBLIC})


def read_upstreams(raw: object, folder: Path) -> Mapping[str, UpstreamSettings]:
    """Return the upstreams that may be asked: the public ones, and what `[upstream."host"]` says.

    Args:
        raw: the table `upstream`, a table a host.
        folder: what a relative path is relative to.

    Raises:
        UsageError: a wrong host, an unknown key, a bad value; says where.
    """
    if not isinstance(raw, dict):
        raise UsageError('upstream: write a table for each host, as [upstream."quay.io"]')
    named: dict[str, str] = {}
    found = dict(public_upstreams())
    for text, table in raw.items():
        place = f"upstream.{json.dumps(text)}"
        with said_of(place):
            host = parse_upstream(text)
            if host in named:
                raise UsageError(f"{named[host]!r} is the same upstream: make one of them")
        named[host] = text
        values = read_table(UpstreamSettings, table, folder, place)
        with said_of(place):
            values.setdefault("address", _address_in(text, plain=values.get("plain_http", False)))
            found[host] = UpstreamSettings(host=host, **values)
        if not found[host].allow:
            del found[host]
    return MappingProxyType(found)


def _address_in(text: str, *, plain: bool) -> str:
    # A namespace has no port: one that is written says where to find it.
    _, colon, port = text.partition(":")
    if not colon or (port == _HTTPS_PORT and not plain):
        return ""
    return ADDRESS.parse(text, Path())


def read_freshness(raw: object, folder: Path) -> tuple[FreshnessRule, ...]:
    """Return the rules that `[[freshness]]` says; raise UsageError."""
    if not isinstance(raw, list):
        raise UsageError("freshness: write [[freshness]], once for each rule")
    return tuple(
        FreshnessRule(**read_table(FreshnessRule, table, folder, f"freshness[{number}]"))
        for number, table in enumerate(raw, 1)
    )


def _listed(value: Mapping[str, UpstreamSettings]) -> Iterator[tuple[str, object]]:
    refused = {host: UpstreamSettings(host=host, allow=False) for host in PUBLIC}
    yield from {**refused, **value}.items()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of `lreg.toml`, or a list of them; it can be set nowhere else.

    Attributes:
        name: its name in the file.
        attribute: its field in `Config`.
        heading: how it begins, with HOST for what tells it from others of that name.
        doc: what it is for.
        declaration: the dataclass whose fields declare its keys.
        read: makes the field's value of what TOML holds, and the folder that relative paths are
            relative to; raises UsageError, which says where.
        listed: gives the HOST, if any, and the declaration's instance of each table of a value.
    """

    name: str
    attribute: str
    heading: str
    doc: str
    declaration: type
    read: Callable[[object, Path], object]
    listed: Callable[[Any], Iterable[tuple[str, object]]]


TABLES = (
    Table(
        "upstream",
        "upstreams",
        '[upstream."HOST"]',
        "A registry that images may come from. An empty table puts HOST on the list, "
        "`allow = false` takes it off. It is named as images name it; where a port is written "
        f"that is where it is dialled. On the list without any table: {', '.join(PUBLIC)}.",
        UpstreamSettings,
        read_upstreams,
        _listed,
    ),
    Table(
        "freshness",
        "freshness",
        "[[freshness]]",
        "How long what a tag of an upstream means is believed, for some images; the first that "
        "matches counts, and `tag-ttl` where none does.",
        FreshnessRule,
        read_freshness,
        lambda rules: (("", rule) for rule in rules),
    ),
)
