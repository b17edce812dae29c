"""What goes over a connection: requests, headers, and how they are sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from lreg.errors import Unavailable

# Bodies move in pieces of this many bytes or more: smaller ones cost more in steps than in copies.
PIECE = 256 << 10

_NETLOC = re.compile(r"[!-~]{1,300}")

Body = bytes | AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """How a registry is reached, where that is not as its name says.

    Attributes:
        address: what to dial instead of its name: a URL, or `host[:port]`; "": its name.
        proxy: an http:// URL; "none": no proxy; "": what the environment says.
        headers: what every request to it carries besides its own.
        observe: called with the status and the headers of every answer of it.
        absent: what to do, in words, where nothing listens on this machine at its address.
    """

    address: str = ""
    proxy: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    observe: Callable[[int, Mapping[str, str]], None] | None = None
    absent: str = "start it with `lreg start` or set LOCAL_REGISTRY"


class Headers(Mapping[str, str]):
    """The headers of an answer, whatever the case of their names; repeated ones are joined."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        # RFC 9110, 5.3: equal to one field with the values in order, separated by commas.
        self._values = {name: ", ".join(several) for name, several in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class SourceFailed(Exception):
    """What was to be sent could not be read: `error` says why. The connection is not to blame."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: in upper case.
        url: absolute; sent exactly as it is written.
        headers: beyond Host, User-Agent, Accept-Encoding and Content-Length.
        body: in memory or streamed.
        size: of a streamed body, in bytes.
        verify: whether the server's certificate must be trusted.
        probe: whether to take the first failure for an answer, rather than to try again.
        patient: whether to send it again where the connection breaks.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    size: int | None = None
    verify: bool = True
    probe: bool = False
    patient: bool = True

    @property
    def origin(self) -> str:
        """Scheme, host and port: the server that gets it."""
        return origin(self.url)

    @property
    def is_tls(self) -> bool:
        """Whether it goes over TLS."""
        return self.url.startswith("https://")

    @property
    def repeatable(self) -> bool:
        """Whether to send it again after a failure: a stream can't be."""
        return not self.probe and (self.body is None or isinstance(self.body, bytes))


def origin(url: str) -> str:
    """Return `scheme://host:port` of `url`, the port always named (RFC 6454, 4)."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").lower()
    return f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}:{port}"


def joined(base: str, location: str) -> str:
    """Return the URL that a Location or a Link means; raise Unavailable where it means none."""
    try:
        url = urljoin(base, location)
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if usable and _NETLOC.fullmatch(parts.netloc):
            return url
    except ValueError:
        pass
    raise Unavailable(f"{origin(base)} sends us on to {location!r:.200}, which is no address")


def is_address(hostname: str) -> bool:
    """Return whether a host (no port, no brackets) is an address, no name to look up."""
    return _address(hostname) is not None


def is_loopback(hostname: str) -> bool:
    """Return whether a host name (no port, no brackets) means this machine."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    address = _address(hostname)
    return address is not None and address.is_loopback


def is_link_local(hostname: str) -> bool:
    """Return whether a host name is an address of the link, as those of clouds' metadata are."""
    address = _address(hostname)
    return address is not None and address.is_link_local


def _address(hostname: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(hostname)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
